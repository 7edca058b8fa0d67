with

rejections as (
    select * from {{ ref('stg_ml__experiment_rejections') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        rejections.form,
        rejections.source,
        rejections.design,
        rejections.metric,
        rejections.estimator,
        rejections.scenario,
        rejections.nominal_level,
        rejections.runs,
        rejections.rejected_share,
        rejections.rejected_lo,
        rejections.rejected_hi,
        rejections.band_lo,
        rejections.band_hi,
        rejections.is_canary,
        observation_window.as_of_at as as_of
    from rejections
    cross join observation_window
)

select * from final
