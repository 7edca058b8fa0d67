with

found as (
    select * from {{ ref('stg_ml__placement_blockers') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        found.service_id,
        found.rule,
        found.rule_order,
        found.sets_before,
        found.sets_after,
        found.sets_without_rule,
        found.is_decisive,
        observation_window.as_of_at as as_of
    from found
    cross join observation_window
)

select * from final
