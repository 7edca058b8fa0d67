with

outcomes as (
    select * from {{ ref('stg_ml__experiment_demand') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        outcomes.experiment_id,
        outcomes.arm,
        outcomes.outcome,
        outcomes.requests,
        outcomes.offered_requests,
        outcomes.offered_share,
        observation_window.as_of_at as as_of
    from outcomes
    cross join observation_window
)

select * from final
