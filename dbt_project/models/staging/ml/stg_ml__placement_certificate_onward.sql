with

source as (
    select * from {{ source('ml', 'placement_certificate_onward') }}
),

final as (
    select
        plan_id,
        service_id,
        region_id,
        calls_ms,
        calls_variance_ms2,
        onward_usd_per_rps
    from source
)

select * from final
