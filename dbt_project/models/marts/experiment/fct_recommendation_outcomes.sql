with

outcomes as (
    select * from {{ ref('stg_ml__recommendation_outcomes') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        outcomes.recommendation_id,
        outcomes.plan_id,
        outcomes.service_id,
        outcomes.advised_through_on,
        outcomes.moved_on,
        outcomes.from_regions,
        outcomes.to_regions,
        outcomes.predicted_effect,
        outcomes.predicted_lo,
        outcomes.predicted_hi,
        outcomes.interval_level,
        outcomes.realised_effect,
        outcomes.realised_lo,
        outcomes.realised_hi,
        outcomes.is_covered,
        outcomes.grade,
        outcomes.error_ratio,
        outcomes.status,
        outcomes.reason,
        observation_window.as_of_at as as_of
    from outcomes
    cross join observation_window
)

select * from final
