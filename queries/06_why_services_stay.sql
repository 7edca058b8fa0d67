-- Question: which services stay where they are, and what would the next best region cost them?
-- Grain:    one row per service that keeps its regions, nearest decision first.
-- Columns:  service, outcome and first reason; regions; the best region outside the plan with its gap a
--           month (null if none is feasible); how many regions a rule excludes, and which rules.
with

others as (
    select
        service_id,
        region_id,
        gap_objective,
        row_number() over (
            partition by service_id
            order by gap_objective, region_id
        ) as nearness
    from fct_recommendation_alternatives
    where
        is_feasible
        and not is_chosen
),

excluded as (
    select
        service_id,
        count(*) as regions_excluded,
        string_agg(distinct blocking_constraint, ', ' order by blocking_constraint) as rules
    from fct_recommendation_alternatives
    where blocking_constraint is not null
    group by service_id
)

select
    recommendations.service_id,
    recommendations.outcome,
    recommendations.primary_reason_code,
    recommendations.from_regions,
    others.region_id as next_best_region_id,
    others.gap_objective as gap_usd_per_month,
    coalesce(excluded.regions_excluded, 0) as regions_excluded,
    excluded.rules
from fct_recommendations as recommendations
left join others
    on recommendations.service_id = others.service_id
    and others.nearness = 1
left join excluded
    on recommendations.service_id = excluded.service_id
where recommendations.action = 'keep'
order by others.gap_objective nulls last, recommendations.service_id
