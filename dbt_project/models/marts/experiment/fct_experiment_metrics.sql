with

metrics as (
    select * from {{ ref('stg_ml__experiment_metrics') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        metrics.experiment_id,
        metrics.metric,
        metrics.role,
        metrics.kind,
        metrics.quantile_share,
        metrics.numerator,
        metrics.denominator,
        metrics.unit,
        metrics.is_lower_better,
        metrics.margin,
        metrics.margin_kind,
        metrics.smallest_effect_share,
        metrics.alpha,
        metrics.family,
        observation_window.as_of_at as as_of
    from metrics
    cross join observation_window
)

select * from final
