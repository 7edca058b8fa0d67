with

source as (
    select * from {{ source('ml', 'placement_moves') }}
),

final as (
    select
        service_id,
        region_id,
        change,
        wave,
        unit,
        is_deadlock,
        reason,
        instances,
        migration_usd,
        payback_days,
        is_reversible
    from source
)

select * from final
