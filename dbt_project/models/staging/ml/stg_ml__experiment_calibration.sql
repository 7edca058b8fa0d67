with

source as (
    select * from {{ source('ml', 'experiment_calibration') }}
),

final as (
    select
        form,
        source,
        design,
        metric,
        estimator,
        scenario,
        runs,
        false_positive_rate,
        rate_lo,
        rate_hi,
        coverage,
        coverage_lo,
        coverage_hi,
        power,
        bias_points,
        ks_p_uniform,
        is_canary,
        status
    from source
)

select * from final
