with

calibration as (
    select * from {{ ref('stg_ml__experiment_calibration') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        calibration.form,
        calibration.source,
        calibration.design,
        calibration.metric,
        calibration.estimator,
        calibration.scenario,
        calibration.runs,
        calibration.false_positive_rate,
        calibration.rate_lo,
        calibration.rate_hi,
        calibration.coverage,
        calibration.coverage_lo,
        calibration.coverage_hi,
        calibration.power,
        calibration.bias_points,
        calibration.ks_p_uniform,
        calibration.is_canary,
        calibration.status,
        observation_window.as_of_at as as_of
    from calibration
    cross join observation_window
)

select * from final
