with

source as (
    select * from {{ source('ml', 'experiment_rejections') }}
),

final as (
    select
        form,
        source,
        design,
        metric,
        estimator,
        scenario,
        nominal_level,
        runs,
        rejected_share,
        rejected_lo,
        rejected_hi,
        band_lo,
        band_hi,
        is_canary
    from source
)

select * from final
