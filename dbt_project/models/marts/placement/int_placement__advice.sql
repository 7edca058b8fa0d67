{#- The id of each piece of advice, and what people last decided about the same advice. -#}
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

advice as (
    select
        set_changes.plan_id,
        set_changes.service_id,
        set_changes.to_regions,
        {{ dbt.hash(dbt.concat([
            'set_changes.plan_id', "'|'", 'runs.input_hash', "'|'", 'runs.config_hash', "'|'",
            'set_changes.service_id',
        ])) }} as recommendation_id
    from set_changes
    inner join runs
        on set_changes.plan_id = runs.plan_id
    where runs.plan_kind = 'recommended'
),

-- A decision stands while the advice is the same; advice that changed is open again.
decided as (
    select
        advice.service_id,
        decisions.status,
        decisions.status_reason,
        decisions.decided_at,
        decisions.decided_by,
        decisions.experiment_id,
        row_number() over (
            partition by advice.service_id
            order by decisions.decided_at desc, decisions.decision_id desc
        ) as recency
    from advice
    inner join decisions
        on advice.service_id = decisions.service_id
        and advice.to_regions = decisions.to_regions
),

final as (
    select
        advice.plan_id,
        advice.service_id,
        advice.recommendation_id,
        coalesce(decided.status, 'open') as status,
        decided.status_reason,
        decided.decided_at as status_changed_at,
        decided.decided_by,
        decided.experiment_id
    from advice
    left outer join decided
        on advice.service_id = decided.service_id
        and decided.recency = 1
)

select * from final
