{#-
What does it check?    Cost, instances and lower bound derived in SQL are those that the optimiser published.
When does it matter?   A gap that a second derivation does not confirm is no certificate; savings would rest on it.
How is it resolved?    The two tests below it (int_certificate__plans) name service and term. A bound alone that
                       differs points at placement_duals, at a closed set, or at a rule known to one side only.
-#}
select
    plan_id,
    plan_kind,
    services_with_other_instances,
    upper_bound_difference_usd_per_hour,
    lower_bound_difference_usd_per_hour
from {{ ref('fct_certificate') }}
where status = 'differs'
