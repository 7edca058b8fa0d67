with

hours as (
    select * from {{ ref('fct_traffic_hours') }}
),

final as (
    select
        service_id,
        origin_id,
        cast({{ dbt.date_trunc('day', 'hour_starts_at') }} as date) as observed_on,
        cast(sum(requests) as bigint) as requests,
        cast(max(requests) as bigint) as busiest_hour_requests,
        count(*) as hours_seen,
        max(as_of) as as_of
    from hours
    group by 1, 2, 3
)

select * from final
