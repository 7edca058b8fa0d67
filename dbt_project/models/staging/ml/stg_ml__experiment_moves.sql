with

source as (
    select * from {{ source('ml', 'experiment_moves') }}
),

final as (
    select
        experiment_id,
        service_id,
        moved_on,
        estimator,
        from_regions,
        to_regions,
        rel_effect,
        rel_lo,
        rel_hi,
        placebo_p,
        placebos,
        grade,
        move_reason,
        traffic_share,
        status,
        reason,
        sentence
    from source
)

select * from final
