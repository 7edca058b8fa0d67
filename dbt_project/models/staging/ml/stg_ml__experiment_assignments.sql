with

source as (
    select * from {{ source('ml', 'experiment_assignments') }}
),

final as (
    select
        experiment_id,
        mode,
        unit_id,
        period_start_on,
        period_end_on,
        community_id,
        block_id,
        arm,
        warmup_hours,
        coin_seed
    from source
)

select * from final
