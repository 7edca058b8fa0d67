-- Question: what is lost when any one region fails, today and as recommended, by tier?
-- Grain:    one row per tier; tier 1 loses the product when lost.
-- Columns:  services; how many survive the loss of any one region, before and after; share of demand still
--           served after each service's own worst loss, weighted by its requests.
select
    services.tier,
    count(*) as services,
    count(*) filter (where recommendations.is_n1_covered_before) as covered_before,
    count(*) filter (where recommendations.is_n1_covered_after) as covered_after,
    round(
        sum(recommendations.n1_served_share_before * services.mean_rps)
        / nullif(sum(services.mean_rps), 0), 4
    ) as served_share_before,
    round(
        sum(recommendations.n1_served_share_after * services.mean_rps)
        / nullif(sum(services.mean_rps), 0), 4
    ) as served_share_after
from fct_recommendations as recommendations
inner join dim_services as services
    on recommendations.service_id = services.service_id
group by services.tier
order by services.tier nulls last
