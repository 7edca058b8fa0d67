-- Question: what do the data not support, and how many recommendations are weaker for it?
-- Grain:    one row per code in force, most felt first.
-- Columns:  reason_code, effect in words, confidence cap; services and regions named; recommendations that
--           list it among their reasons, and those whose confidence it lowered.
with

in_force as (
    select
        reason_code,
        min(effect) as effect,
        min(confidence_cap) as confidence_cap,
        count(distinct service_id) as services_named,
        count(distinct region_id) as regions_named,
        max(case when scope_kind = 'fleet' then detail end) as fleet_detail
    from fct_degradations
    group by reason_code
),

felt as (
    select
        reason_code,
        count(*) as recommendations
    from fct_recommendation_reasons
    group by reason_code
),

capped as (
    select
        confidence_cap_code as reason_code,
        count(*) as recommendations
    from fct_recommendations
    where confidence_cap_code is not null
    group by confidence_cap_code
)

select
    in_force.reason_code,
    in_force.effect,
    in_force.confidence_cap,
    in_force.services_named,
    in_force.regions_named,
    in_force.fleet_detail,
    coalesce(felt.recommendations, 0) as recommendations_concerned,
    coalesce(capped.recommendations, 0) as confidence_lowered
from in_force
left join felt
    on in_force.reason_code = felt.reason_code
left join capped
    on in_force.reason_code = capped.reason_code
order by confidence_lowered desc, recommendations_concerned desc, in_force.reason_code asc
