with

source as (
    select * from {{ source('ml', 'placement_certificate_parameters') }}
),

final as (
    select
        plan_id,
        name,
        scope,
        value
    from source
)

select * from final
