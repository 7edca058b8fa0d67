with

moves as (
    select * from {{ ref('stg_ml__experiment_moves') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        moves.experiment_id,
        moves.service_id,
        moves.moved_on,
        moves.estimator,
        moves.from_regions,
        moves.to_regions,
        moves.rel_effect,
        moves.rel_lo,
        moves.rel_hi,
        moves.placebo_p,
        moves.placebos,
        moves.grade,
        moves.move_reason,
        moves.traffic_share,
        moves.status,
        moves.reason,
        moves.sentence,
        observation_window.as_of_at as as_of
    from moves
    cross join observation_window
)

select * from final
