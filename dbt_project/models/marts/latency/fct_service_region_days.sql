with

activity as (
    select * from {{ ref('int_placement__service_region_days') }}
),

labels as (
    select * from {{ ref('int_latency__service_region_days') }}
),

features as (
    select * from {{ ref('feat_latency__service_region_days') }}
),

costs as (
    select * from {{ ref('int_cost__service_region_days') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        activity.service_id,
        activity.region_id,
        activity.placed_on,
        cast(activity.instances as bigint) as instances,
        cast(labels.requests_served as bigint) as requests_served,
        labels.observed_ms as mean_latency_ms,
        labels.p95_ms as p95_latency_ms,
        labels.p99_ms as p99_latency_ms,
        labels.error_rate,
        labels.cpu_utilization,
        features.rtt_w_ms as mean_rtt_ms,
        features.rho as utilization,
        features.rho_max as peak_utilization,
        cast(round(costs.cost_usd, 6) as decimal(18, 6)) as cost_usd,
        case when costs.is_cost_from_price_book then 'price_book' else 'billed' end as cost_basis,
        features.service_id is not null as is_used_for_latency,
        observation_window.as_of_at as as_of
    from activity
    cross join observation_window
    left join labels
        on activity.service_id = labels.service_id
        and activity.region_id = labels.region_id
        and activity.placed_on = labels.placed_on
    left join features
        on activity.service_id = features.service_id
        and activity.region_id = features.region_id
        and activity.placed_on = features.placed_on
    left join costs
        on activity.service_id = costs.service_id
        and activity.region_id = costs.region_id
        and activity.placed_on = costs.placed_on
)

select * from final
