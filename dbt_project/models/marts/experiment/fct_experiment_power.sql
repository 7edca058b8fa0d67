with

power as (
    select * from {{ ref('stg_ml__experiment_power') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        power.experiment_id,
        power.design,
        power.metric,
        power.days,
        power.effect_share,
        power.alpha,
        power.power,
        power.mde80,
        power.runs,
        power.status,
        power.reason,
        observation_window.as_of_at as as_of
    from power
    cross join observation_window
)

select * from final
