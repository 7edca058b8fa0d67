with

source as (
    select * from {{ source('ml', 'experiment_goals') }}
),

final as (
    select
        goal_id,
        goal_order,
        meaning,
        target,
        observed,
        status
    from source
)

select * from final
