{#-
What does it check?    The traffic shares of a service's regions add up to all of its traffic.
When does it matter?   Missing traffic would make a plan look cheap and fast.
How is it resolved?    See how the optimiser routes the service named; a client without a round trip is the usual cause.
-#}
select
    placements.plan_id,
    placements.service_id,
    sum(cast(placements.traffic_share as decimal(28, 9))) as traffic_share
from {{ ref('fct_plan_placements') }} as placements
inner join {{ ref('fct_plan_services') }} as services
    on placements.plan_id = services.plan_id
    and placements.service_id = services.service_id
-- Nobody asks: there is nothing to share.
where services.mean_rps > 0
group by placements.plan_id, placements.service_id
having abs(sum(cast(placements.traffic_share as decimal(28, 9))) - 1) > 0.000001
