{#-
What does it check?    Costs of all recommendations add up to the plans they come from, to the cent.
When does it matter?   The headline reads the plan, a service owner reads the recommendation: both must pay one bill.
How is it resolved?    Look for a service that stands in one plan and not in the other.
-#}
with

recommended as (
    select
        sum(monthly_cost_before_usd) as before_usd,
        sum(monthly_cost_after_usd) as after_usd
    from {{ ref('fct_recommendations') }}
),

plans as (
    select
        sum(case when plan_kind = 'current' then monthly_cost_usd end) as before_usd,
        sum(case when plan_kind = 'recommended' then monthly_cost_usd end) as after_usd
    from {{ ref('fct_plan_totals') }}
)

select
    recommended.before_usd,
    plans.before_usd as plan_before_usd,
    recommended.after_usd,
    plans.after_usd as plan_after_usd
from recommended
cross join plans
where
    abs(recommended.before_usd - plans.before_usd) >= 0.01
    or abs(recommended.after_usd - plans.after_usd) >= 0.01
