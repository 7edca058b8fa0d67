with

verdict as (
    select * from {{ ref('stg_ml__experiment_verdict') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        verdict.experiment_id,
        verdict.verdict,
        verdict.reasons,
        verdict.config_sha256,
        verdict.control_plan_id,
        verdict.treatment_plan_id,
        verdict.train_through_on,
        verdict.evaluate_from_on,
        verdict.evaluate_days,
        verdict.in_sample_gain_share,
        verdict.out_of_sample_gain_share,
        verdict.coin_redraws_significant_share,
        observation_window.as_of_at as as_of
    from verdict
    cross join observation_window
)

select * from final
