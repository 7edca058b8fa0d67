{#- The id of each piece of advice, and what people last decided about it. -#}
with

set_changes as (
    select * from {{ ref('int_placement__set_changes') }}
),

runs as (
    select * from {{ ref('stg_ml__placement_runs') }}
),

decisions as (
    select * from {{ ref('stg_run__decisions') }}
),

verdicts as (
    select * from {{ ref('stg_ml__experiment_verdict') }}
),

-- The advice itself is hashed, not the day's data: who accepted a move need not do so again after
-- every build that still proposes it. Other regions, or other rules, are other advice.
advice as (
    select
        set_changes.plan_id,
        set_changes.service_id,
        {{ dbt.hash(dbt.concat([
            'set_changes.service_id', "'|'", 'set_changes.from_regions', "'|'",
            'set_changes.to_regions', "'|'", 'runs.config_hash',
        ])) }} as recommendation_id
    from set_changes
    inner join runs
        on set_changes.plan_id = runs.plan_id
    where runs.plan_kind = 'recommended'
),

latest_decisions as (
    select
        recommendation_id,
        status,
        status_reason,
        decided_at,
        decided_by,
        row_number() over (
            partition by recommendation_id
            order by decided_at desc, decision_id desc
        ) as recency
    from decisions
),

latest_verdicts as (
    select
        treatment_plan_id,
        max(experiment_id) as experiment_id
    from verdicts
    group by treatment_plan_id
),

final as (
    select
        advice.plan_id,
        advice.service_id,
        advice.recommendation_id,
        coalesce(latest_decisions.status, 'open') as status,
        latest_decisions.status_reason,
        latest_decisions.decided_at as status_changed_at,
        latest_decisions.decided_by,
        latest_verdicts.experiment_id
    from advice
    left join latest_decisions
        on advice.recommendation_id = latest_decisions.recommendation_id
        and latest_decisions.recency = 1
    left join latest_verdicts
        on advice.plan_id = latest_verdicts.treatment_plan_id
)

select * from final
