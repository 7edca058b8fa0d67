with

source as (
    select * from {{ source('ml', 'placement_certificate_closed') }}
),

final as (
    select
        plan_id,
        service_id,
        set_number,
        region_id
    from source
)

select * from final
