with

results as (
    select * from {{ ref('stg_ml__experiment_results') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        results.experiment_id,
        results.mode,
        results.metric,
        results.role,
        results.segment,
        results.segment_value,
        results.unit,
        results.control,
        results.treatment,
        results.abs_effect,
        results.abs_lo,
        results.abs_hi,
        results.rel_effect,
        results.rel_lo,
        results.rel_hi,
        results.interval_level,
        results.p_value,
        results.p_adjusted,
        results.plausible_lo,
        results.plausible_hi,
        results.mde80,
        results.margin,
        results.margin_kind,
        results.blocks,
        results.effective_units,
        results.method,
        results.status,
        results.verdict,
        results.reason,
        observation_window.as_of_at as as_of
    from results
    cross join observation_window
)

select * from final
