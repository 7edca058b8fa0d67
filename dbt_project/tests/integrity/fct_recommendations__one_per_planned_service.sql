{#-
What does it check?    Every service that runs today, or is in the plan, has a recommendation; keeping is one.
When does it matter?   A service without an answer is the one that its owner asks about.
How is it resolved?    If it is missing from placement_services, see whether the placement stage read it as active.
-#}
with

expected as (
    select service_id from {{ ref('dim_services') }}
    where is_active and regions_now > 0
    union
    select services.service_id
    from {{ ref('fct_plan_services') }} as services
    where services.plan_kind = 'recommended'
)

select expected.service_id
from expected
left join {{ ref('fct_recommendations') }} as recommendations
    on expected.service_id = recommendations.service_id
where recommendations.service_id is null
