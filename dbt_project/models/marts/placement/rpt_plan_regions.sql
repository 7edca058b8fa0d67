with

placements as (
    select * from {{ ref('fct_plan_placements') }}
),

plan_services as (
    select * from {{ ref('fct_plan_services') }}
),

regions as (
    select * from {{ ref('feat_placement__regions') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

used as (
    select
        placements.plan_id,
        placements.region_id,
        count(*) as services,
        sum(placements.instances) as instances,
        cast(sum(cast(placements.vcpu as decimal(28, 6))) as double) as vcpu,
        cast(sum(placements.monthly_compute_usd) as decimal(18, 6)) as monthly_compute_usd,
        sum(cast(placements.traffic_share * plan_services.mean_rps as decimal(28, 6))) as served_rps
    from placements
    inner join plan_services
        on placements.plan_id = plan_services.plan_id
        and placements.service_id = plan_services.service_id
    group by placements.plan_id, placements.region_id
),

plans as (
    select distinct
        plan_id,
        plan_kind
    from plan_services
),

-- A region that a plan leaves empty is a row with zeros: a page shows that it is unused.
filled as (
    select
        plans.plan_id,
        plans.plan_kind,
        regions.region_id,
        regions.capacity_vcpu,
        coalesce(used.services, 0) as services,
        coalesce(used.instances, 0) as instances,
        coalesce(used.vcpu, 0) as vcpu,
        coalesce(used.monthly_compute_usd, 0) as monthly_compute_usd,
        coalesce(used.served_rps, 0) as served_rps
    from plans
    cross join regions
    left join used
        on plans.plan_id = used.plan_id
        and regions.region_id = used.region_id
),

final as (
    select
        filled.plan_id,
        filled.plan_kind,
        filled.region_id,
        cast(filled.services as bigint) as services,
        cast(filled.instances as bigint) as instances,
        filled.vcpu,
        filled.capacity_vcpu,
        filled.vcpu / nullif(filled.capacity_vcpu, 0) as capacity_used_share,
        cast(filled.served_rps as double) as served_rps,
        cast(filled.served_rps as double) / nullif(
            cast(sum(filled.served_rps) over (partition by filled.plan_id) as double), 0
        ) as traffic_share,
        cast(filled.monthly_compute_usd as decimal(18, 6)) as monthly_compute_usd,
        cast(filled.monthly_compute_usd as double) / nullif(
            cast(sum(filled.monthly_compute_usd) over (partition by filled.plan_id) as double), 0
        ) as compute_share,
        observation_window.as_of_at as as_of
    from filled
    cross join observation_window
)

select * from final
