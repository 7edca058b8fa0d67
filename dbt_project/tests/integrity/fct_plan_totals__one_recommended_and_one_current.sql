{#-
What does it check?    There is exactly one recommended and one current plan.
When does it matter?   Every page compares these two.
How is it resolved?    Empty the predictions folder of the placement stage and run it again.
-#}
select
    kinds.plan_kind,
    count(totals.plan_id) as plans
from (select 'current' as plan_kind union all select 'recommended' as plan_kind) as kinds
left join {{ ref('fct_plan_totals') }} as totals
    on kinds.plan_kind = totals.plan_kind
group by kinds.plan_kind
having count(totals.plan_id) <> 1
