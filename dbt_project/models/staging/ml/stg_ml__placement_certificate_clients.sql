with

source as (
    select * from {{ source('ml', 'placement_certificate_clients') }}
),

final as (
    select
        plan_id,
        service_id,
        region_id,
        calls_rps,
        awaited_rps,
        request_kb_per_second,
        response_kb_per_second,
        callers_usd_per_ms
    from source
)

select * from final
