with

traffic as (
    select * from {{ ref('int_demand__traffic_hours') }}
),

hourly as (
    select
        service_id,
        observed_on,
        hour_starts_at,
        sum(requests) as requests
    from traffic
    group by
        service_id,
        observed_on,
        hour_starts_at
),

final as (
    select
        service_id,
        observed_on,
        cast(sum(requests) as bigint) as requests,
        count(*) as hours_seen,
        {{ exact_sum('(requests / 3600.0) * (requests / 3600.0)', 6) }} as squared_rps
    from hourly
    group by
        service_id,
        observed_on
)

select * from final
