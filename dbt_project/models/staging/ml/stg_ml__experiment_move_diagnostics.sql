with

source as (
    select * from {{ source('ml', 'experiment_move_diagnostics') }}
),

final as (
    select
        experiment_id,
        move_id,
        service_id,
        moved_on,
        diagnostic,
        rel_value,
        rel_band,
        placebo_p,
        is_unusual,
        status,
        reason
    from source
)

select * from final
