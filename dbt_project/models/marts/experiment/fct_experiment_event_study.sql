with

paths as (
    select * from {{ ref('stg_ml__experiment_event_study') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        paths.experiment_id,
        paths.move_id,
        paths.service_id,
        paths.moved_on,
        paths.days_from_move,
        paths.moves,
        paths.rel_gap,
        paths.rel_lo,
        paths.rel_hi,
        paths.grade,
        observation_window.as_of_at as as_of
    from paths
    cross join observation_window
)

select * from final
