with

looks as (
    select * from {{ ref('stg_ml__experiment_monitor') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        looks.experiment_id,
        looks.metric,
        looks.blocks,
        looks.log_e,
        looks.always_valid_p,
        looks.rel_lo,
        looks.rel_hi,
        looks.decision,
        observation_window.as_of_at as as_of
    from looks
    cross join observation_window
)

select * from final
