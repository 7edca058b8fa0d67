with

limits as (
    select * from {{ ref('stg_ml__placement_duals') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        limits.plan_id,
        limits.row_kind,
        limits.region_id,
        limits.dual,
        limits.limit_value,
        limits.used_value,
        limits.is_binding,
        observation_window.as_of_at as as_of
    from limits
    cross join observation_window
)

select * from final
