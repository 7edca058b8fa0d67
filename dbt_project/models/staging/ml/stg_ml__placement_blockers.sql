with

source as (
    select * from {{ source('ml', 'placement_blockers') }}
),

final as (
    select
        service_id,
        rule,
        rule_order,
        sets_before,
        sets_after,
        sets_without_rule,
        is_decisive
    from source
)

select * from final
