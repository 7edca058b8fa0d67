with

plans as (
    select * from {{ ref('stg_ml__placement_plans') }}
),

runs as (
    select * from {{ ref('stg_ml__placement_runs') }}
),

changes as (
    select * from {{ ref('int_placement__region_changes') }}
),

services as (
    select * from {{ ref('feat_placement__services') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        plans.plan_id,
        runs.plan_kind,
        plans.service_id,
        plans.region_id,
        changes.role,
        plans.instances,
        cast(plans.instances * services.cpu_cores as double) as vcpu,
        plans.traffic_share,
        changes.monthly_compute_after_usd as monthly_compute_usd,
        plans.peak_utilization,
        plans.mean_latency_ms,
        observation_window.as_of_at as as_of
    from plans
    inner join runs
        on plans.plan_id = runs.plan_id
    inner join changes
        on plans.plan_id = changes.plan_id
        and plans.service_id = changes.service_id
        and plans.region_id = changes.region_id
    cross join observation_window
    left join services
        on plans.service_id = services.service_id
)

select * from final
