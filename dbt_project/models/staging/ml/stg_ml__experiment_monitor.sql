with

source as (
    select * from {{ source('ml', 'experiment_monitor') }}
),

final as (
    select
        experiment_id,
        metric,
        blocks,
        log_e,
        always_valid_p,
        rel_lo,
        rel_hi,
        decision
    from source
)

select * from final
