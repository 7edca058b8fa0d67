with

source as (
    select * from {{ source('ml', 'experiment_event_study') }}
),

final as (
    select
        experiment_id,
        move_id,
        service_id,
        moved_on,
        days_from_move,
        moves,
        rel_gap,
        rel_lo,
        rel_hi,
        grade
    from source
)

select * from final
