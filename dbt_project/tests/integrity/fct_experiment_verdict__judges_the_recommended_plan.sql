{#-
What does it check?    The experiment judged the plan that is recommended, against the current one.
When does it matter?   A verdict on another plan would lend its proof to advice that was never tested.
How is it resolved?    Run the experiment stage again after the placement stage.
-#}
select
    verdict.experiment_id,
    verdict.control_plan_id,
    verdict.treatment_plan_id
from {{ ref('fct_experiment_verdict') }} as verdict
left join {{ ref('fct_plan_totals') }} as control
    on verdict.control_plan_id = control.plan_id
left join {{ ref('fct_plan_totals') }} as treatment
    on verdict.treatment_plan_id = treatment.plan_id
where coalesce(control.plan_kind, 'none') <> 'current'
    or (verdict.treatment_plan_id is not null
        and coalesce(treatment.plan_kind, 'none') <> 'recommended')
