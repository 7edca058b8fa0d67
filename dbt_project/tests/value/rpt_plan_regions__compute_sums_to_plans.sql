{#-
What does it check?    Compute of all regions adds up to the plan, to the cent.
When does it matter?   Cost by region and cost by service are shown side by side.
How is it resolved?    Look for a placement in a region that is not in dim_regions.
-#}
with

by_region as (
    select
        plan_id,
        sum(monthly_compute_usd) as monthly_compute_usd
    from {{ ref('rpt_plan_regions') }}
    group by plan_id
)

select
    totals.plan_id,
    totals.monthly_compute_usd,
    by_region.monthly_compute_usd as regions_usd
from {{ ref('fct_plan_totals') }} as totals
inner join by_region
    on totals.plan_id = by_region.plan_id
-- A service in several regions rounds in each: a cent for a hundred placements.
where abs(totals.monthly_compute_usd - by_region.monthly_compute_usd)
    >= 0.01 * (1 + totals.placements / 100)
