with

importances as (
    select * from {{ ref('stg_ml__feature_importances') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        importances.model_name,
        importances.method,
        importances.slice_name,
        importances.feature,
        importances.importance,
        importances.unit,
        importances.importance_rank,
        importances.model_id,
        observation_window.as_of_at as as_of
    from importances
    cross join observation_window
)

select * from final
