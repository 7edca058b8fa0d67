with

predictions as (
    select * from {{ ref('stg_ml__latency_predictions') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        predictions.service_id,
        predictions.region_id,
        predictions.placed_on,
        predictions.model_id,
        predictions.split,
        predictions.observed_ms,
        predictions.predicted_ms,
        predictions.predicted_lo_ms,
        predictions.predicted_hi_ms,
        predictions.interval_level,
        predictions.physics_ms,
        predictions.network_ms,
        predictions.dependency_ms,
        predictions.cpu_ms,
        predictions.queue_ms,
        predictions.base_ms,
        predictions.utilization,
        observation_window.as_of_at as as_of
    from predictions
    cross join observation_window
)

select * from final
