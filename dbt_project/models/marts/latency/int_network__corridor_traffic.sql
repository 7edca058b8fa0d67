{#- Requests a day that travel from a place of users, or from a calling region, to a region. -#}
with

shares as (
    select * from {{ ref('feat_latency__call_shares') }}
),

served as (
    select * from {{ ref('feat_latency__service_region_days') }}
    where requests_served > 0
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

flows as (
    select
        shares.client_id,
        shares.region_id,
        shares.is_user,
        cast(shares.share * served.requests_served as decimal(28, 6)) as requests
    from shares
    inner join served
        on shares.service_id = served.service_id
        and shares.region_id = served.region_id
        and shares.placed_on = served.placed_on
),

final as (
    select
        flows.client_id,
        flows.region_id,
        cast(sum(case when flows.is_user then flows.requests else 0 end) as double)
        / max(observation_window.days) as user_requests_per_day,
        cast(sum(case when flows.is_user then 0 else flows.requests end) as double)
        / max(observation_window.days) as call_requests_per_day
    from flows
    cross join observation_window
    group by flows.client_id, flows.region_id
)

select * from final
