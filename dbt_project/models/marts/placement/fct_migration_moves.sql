with

found as (
    select * from {{ ref('stg_ml__placement_moves') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        found.service_id,
        found.region_id,
        found.step as change_number,
        found.change,
        found.wave,
        found.unit as unit_service_id,
        found.is_deadlock,
        found.reason,
        found.instances,
        found.migration_usd as migration_cost_usd,
        found.payback_days,
        found.is_reversible,
        found.is_temporary,
        found.until_wave,
        found.stay_usd_per_month as stay_monthly_cost_usd,
        observation_window.as_of_at as as_of
    from found
    cross join observation_window
)

select * from final
