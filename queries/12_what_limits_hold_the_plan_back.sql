-- Question: which region's capacity, or which budget of moves, holds the plan back?
-- Grain:    one row per shared limit of the recommended plan, and one per region without a limit.
-- Columns:  what is limited and where; limit, use and share; dollars an hour that one more unit would be worth,
--           0 where there is room.
with

recommended as (
    select * from fct_plan_totals
    where plan_kind = 'recommended'
)

select
    limits.row_kind,
    limits.region_id,
    limits.limit_value,
    limits.used_value,
    round(limits.used_value / nullif(limits.limit_value, 0), 3) as used_share,
    limits.dual as usd_per_hour_of_one_more,
    limits.is_binding
from fct_plan_limits as limits
inner join recommended
    on limits.plan_id = recommended.plan_id

union all

select
    'no_limit_known' as row_kind,
    regions.region_id,
    null as limit_value,
    regions.vcpu as used_value,
    null as used_share,
    0.0 as usd_per_hour_of_one_more,
    false as is_binding
from rpt_plan_regions as regions
where
    regions.plan_kind = 'recommended'
    and regions.capacity_vcpu is null

order by usd_per_hour_of_one_more desc, row_kind asc, region_id asc
