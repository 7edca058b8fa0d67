{#-
What does it check?    Both arms were offered the same requests, and each outcome is counted once.
When does it matter?   An arm that answers other or fewer requests can look faster without being so.
How is it resolved?    Read the checks `demand_equal` and `requests_conserved`; run the experiment again.
-#}
select
    experiment_id,
    count(distinct offered_requests) as different_offers,
    sum(requests) - max(offered_requests) * count(distinct arm) as requests_unaccounted
from {{ ref('fct_experiment_demand') }}
group by experiment_id
having count(distinct offered_requests) <> 1
    or count(distinct arm) <> 2
    or sum(requests) <> max(offered_requests) * count(distinct arm)
