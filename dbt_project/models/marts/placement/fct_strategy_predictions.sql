with

predictions as (
    select * from {{ ref('stg_ml__strategy_predictions') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        predictions.service_id,
        predictions.cut_on,
        predictions.model_id,
        predictions.split,
        predictions.predicted_class,
        predictions.single_probability,
        predictions.dual_probability,
        predictions.multi_probability,
        predictions.optimal_class,
        predictions.cost_regret_share,
        observation_window.as_of_at as as_of
    from predictions
    cross join observation_window
)

select * from final
