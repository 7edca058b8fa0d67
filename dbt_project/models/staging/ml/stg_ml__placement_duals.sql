with

source as (
    select * from {{ source('ml', 'placement_duals') }}
),

final as (
    select
        plan_id,
        row_kind,
        region_id,
        dual,
        limit_value,
        used_value,
        is_binding
    from source
)

select * from final
