with

baselines as (
    select * from {{ ref('stg_ml__experiment_baselines') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        baselines.experiment_id,
        baselines.plan_name,
        baselines.family,
        baselines.mean_latency_ms,
        baselines.cost_usd_per_million,
        baselines.redundancy,
        baselines.instance_hours,
        baselines.objective_usd_per_hour,
        baselines.latency_rank,
        baselines.p_plan,
        observation_window.as_of_at as as_of
    from baselines
    cross join observation_window
)

select * from final
