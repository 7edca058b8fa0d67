with

assignments as (
    select * from {{ ref('stg_ml__experiment_assignments') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        assignments.experiment_id,
        assignments.mode,
        assignments.unit_id,
        assignments.period_start_on,
        assignments.period_end_on,
        assignments.community_id,
        assignments.block_id,
        assignments.arm,
        assignments.warmup_hours,
        assignments.coin_seed,
        observation_window.as_of_at as as_of
    from assignments
    cross join observation_window
)

select * from final
