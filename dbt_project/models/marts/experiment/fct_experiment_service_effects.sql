with

effects as (
    select * from {{ ref('stg_ml__experiment_service_effects') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        effects.experiment_id,
        effects.service_id,
        effects.traffic_share,
        effects.control_ms,
        effects.treatment_ms,
        effects.rel_effect,
        effects.rel_lo,
        effects.rel_hi,
        effects.shrunk_effect,
        effects.p_adjusted,
        effects.status,
        effects.reason,
        observation_window.as_of_at as as_of
    from effects
    cross join observation_window
)

select * from final
