with

curve as (
    select * from {{ ref('stg_ml__experiment_quantiles') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        curve.experiment_id,
        curve.mode,
        curve.quantile_share,
        curve.control_ms,
        curve.treatment_ms,
        curve.rel_effect,
        curve.rel_lo,
        curve.rel_hi,
        curve.interval_level,
        observation_window.as_of_at as as_of
    from curve
    cross join observation_window
)

select * from final
