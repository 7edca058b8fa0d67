with

metrics as (
    select * from {{ ref('stg_ml__model_metrics') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        metrics.model_name,
        metrics.variant,
        metrics.split,
        metrics.slice_name,
        metrics.metric,
        metrics.value,
        metrics.goal_low,
        metrics.goal_high,
        metrics.status,
        metrics.row_count,
        metrics.model_id,
        observation_window.as_of_at as as_of
    from metrics
    cross join observation_window
)

select * from final
