with

source as (
    select * from {{ source('ml', 'experiment_power') }}
),

final as (
    select
        experiment_id,
        design,
        metric,
        days,
        effect_share,
        alpha,
        power,
        mde80,
        runs,
        status,
        reason
    from source
)

select * from final
