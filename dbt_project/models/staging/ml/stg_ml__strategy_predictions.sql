with

source as (
    select * from {{ source('ml', 'strategy_predictions') }}
),

final as (
    select
        service_id,
        cut_on,
        model_id,
        split,
        predicted_class,
        single_probability,
        dual_probability,
        multi_probability,
        optimal_class,
        cost_regret_share
    from source
)

select * from final
