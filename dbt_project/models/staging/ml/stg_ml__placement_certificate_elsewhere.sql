with

source as (
    select * from {{ source('ml', 'placement_certificate_elsewhere') }}
),

final as (
    select
        plan_id,
        service_id,
        set_number,
        region_id,
        is_closed,
        elsewhere_micro_usd
    from source
)

select * from final
