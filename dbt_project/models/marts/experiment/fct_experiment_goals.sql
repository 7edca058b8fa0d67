with

goals as (
    select * from {{ ref('stg_ml__experiment_goals') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        goals.goal_id,
        goals.goal_order,
        goals.meaning,
        goals.target,
        goals.observed,
        goals.status,
        observation_window.as_of_at as as_of
    from goals
    cross join observation_window
)

select * from final
