{#-
What does it check?    Compute of a service's regions adds up to the service, to the cent, in every plan.
When does it matter?   A region's share of the bill is shown on maps; it must be a share of the same bill.
How is it resolved?    Compare placement_plans with placement_services of the plan named: one of them is stale.
-#}
with

by_region as (
    select
        plan_id,
        service_id,
        sum(monthly_compute_usd) as monthly_compute_usd
    from {{ ref('fct_plan_placements') }}
    group by plan_id, service_id
)

select
    services.plan_id,
    services.service_id,
    services.monthly_compute_usd,
    by_region.monthly_compute_usd as regions_usd
from {{ ref('fct_plan_services') }} as services
left join by_region
    on services.plan_id = by_region.plan_id
    and services.service_id = by_region.service_id
where abs(services.monthly_compute_usd - coalesce(by_region.monthly_compute_usd, 0)) >= 0.01
