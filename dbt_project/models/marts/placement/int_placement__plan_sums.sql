{#- Everything about a plan that adds up over its services. Latency is weighted by requests. -#}
with

plan_services as (
    select * from {{ ref('fct_plan_services') }}
),

effects as (
    select * from {{ ref('int_placement__plan_effects') }}
),

weighted as (
    select
        *,
        cast(mean_rps as decimal(28, 6)) as weight,
        case when mean_latency_ms is not null then cast(mean_rps as decimal(28, 6)) end
            as latency_weight
    from plan_services
),

sums as (
    select
        plan_id,
        count(*) as services,
        {%- for term in [
            'compute', 'egress', 'open', 'cost', 'waiting', 'moving', 'carbon', 'elastic'
        ] %}
        cast(sum(monthly_{{ term }}_usd) as decimal(18, 6)) as monthly_{{ term }}_usd,
        {%- endfor %}
        -- One service in a region without a figure leaves the plan without one.
        case
            when count(monthly_carbon_kg) = count(*)
                then cast(sum(cast(monthly_carbon_kg as decimal(28, 6))) as double)
        end as monthly_carbon_kg,
        cast(sum(migration_cost_usd) as decimal(18, 6)) as migration_cost_usd,
        cast(sum(weight) as double) as mean_rps,
        {%- for column in ['mean_latency_ms', 'mean_latency_lo_ms', 'mean_latency_hi_ms'] %}
        cast(sum(cast({{ column }} * mean_rps as decimal(28, 6))) as double)
        / nullif(cast(sum(latency_weight) as double), 0) as {{ column }},
        {%- endfor %}
        cast(sum(cast(n1_served_share * mean_rps as decimal(28, 6))) as double)
        / nullif(cast(sum(weight) as double), 0) as n1_served_share,
        sum(case when is_n1_covered then 1 else 0 end) as n1_covered_services,
        sum(case when is_feasible then 0 else 1 end) as infeasible_services,
        min(interval_level) as interval_level
    from weighted
    group by plan_id
),

-- Ends are added as if all services erred in the same direction: at least as wide as the truth.
against_current as (
    select
        plan_id,
        cast(sum(monthly_saving_usd) as decimal(18, 6)) as monthly_saving_usd,
        -- One service without an interval leaves the fleet without one.
        case
            when count(monthly_saving_lo_usd) = count(*)
                then cast(sum(monthly_saving_lo_usd) as decimal(18, 6))
        end as monthly_saving_lo_usd,
        case
            when count(monthly_saving_hi_usd) = count(*)
                then cast(sum(monthly_saving_hi_usd) as decimal(18, 6))
        end as monthly_saving_hi_usd,
        {%- for column in [
            'mean_latency_delta_ms', 'mean_latency_delta_lo_ms', 'mean_latency_delta_hi_ms'
        ] %}
        cast(sum(cast({{ column }} * mean_rps as decimal(28, 6))) as double)
        / nullif(
            cast(sum(
                case when {{ column }} is not null then cast(mean_rps as decimal(28, 6)) end
            ) as double),
            0
        ) as {{ column }},
        {%- endfor %}
        sum(case when action = 'keep' then 0 else 1 end) as services_changed
    from effects
    group by plan_id
),

final as (
    select
        sums.*,
        against_current.monthly_saving_usd,
        against_current.monthly_saving_lo_usd,
        against_current.monthly_saving_hi_usd,
        against_current.mean_latency_delta_ms,
        against_current.mean_latency_delta_lo_ms,
        against_current.mean_latency_delta_hi_ms,
        coalesce(against_current.services_changed, 0) as services_changed
    from sums
    left join against_current
        on sums.plan_id = against_current.plan_id
)

select * from final
