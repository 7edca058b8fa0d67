with

source as (
    select * from {{ source('ml', 'placement_moves') }}
),

final as (
    select
        service_id,
        region_id,
        step,
        change,
        wave,
        unit,
        is_deadlock,
        reason,
        instances,
        migration_usd,
        payback_days,
        is_reversible,
        is_temporary,
        until_wave,
        stay_usd_per_month
    from source
)

select * from final
