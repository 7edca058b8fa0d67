with

source as (
    select * from {{ source('ml', 'experiment_baselines') }}
),

final as (
    select
        experiment_id,
        plan_name,
        family,
        mean_latency_ms,
        cost_usd_per_million,
        redundancy,
        instance_hours,
        objective_usd_per_hour,
        latency_rank,
        p_plan
    from source
)

select * from final
