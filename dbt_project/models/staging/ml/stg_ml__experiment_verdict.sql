with

source as (
    select * from {{ source('ml', 'experiment_verdict') }}
),

final as (
    select
        experiment_id,
        verdict,
        reasons,
        config_sha256,
        control_plan_id,
        treatment_plan_id,
        train_through_on,
        evaluate_from_on,
        evaluate_days,
        in_sample_gain_share,
        out_of_sample_gain_share,
        coin_redraws_significant_share
    from source
)

select * from final
