with

source as (
    select * from {{ source('ml', 'experiment_calibration') }}
),

final as (
    select
        source,
        design,
        metric,
        estimator,
        scenario,
        runs,
        false_positive_rate,
        rate_lo,
        rate_hi,
        is_canary,
        status
    from source
)

select * from final
