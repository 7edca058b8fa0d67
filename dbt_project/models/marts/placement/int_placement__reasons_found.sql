{%- set min_ms = var('recommendation_min_effect_ms') -%}
{%- set min_usd = var('recommendation_min_effect_usd') -%}
with

effects as (
    select * from {{ ref('int_placement__plan_effects') }}
    where plan_kind = 'recommended'
),

outcomes as (
    select * from {{ ref('int_placement__outcomes') }}
),

caps as (
    select * from {{ ref('int_placement__confidence_caps') }}
),

decided as (
    select
        effects.*,
        outcomes.outcome,
        outcomes.feasible_others,
        outcomes.smallest_gap_usd,
        effects.monthly_saving_usd + effects.monthly_waiting_saving_usd as objective_saving_usd
    from effects
    inner join outcomes
        on effects.service_id = outcomes.service_id
),

-- Each branch: what was observed, the threshold that makes it a reason, its worth for the ranking.
final as (
    select
        service_id,
        case when mean_latency_delta_ms < 0 then 'USERS_CLOSER' else 'USERS_FARTHER' end
            as reason_code,
        mean_latency_delta_ms as observed_value,
        cast(case when mean_latency_delta_ms < 0 then -{{ min_ms }} else {{ min_ms }} end as double)
            as threshold_value,
        monthly_waiting_saving_usd as worth_usd
    from decided
    where abs(mean_latency_delta_ms) >= {{ min_ms }}

    {%- for column, gain, loss in [
        ('monthly_compute_saving_usd', 'CHEAPER_REGION', 'DEARER_REGION'),
        ('monthly_egress_saving_usd', 'LESS_TRANSFER', 'MORE_TRANSFER'),
        ('monthly_open_saving_usd', 'FEWER_REGIONS', 'MORE_REGIONS'),
    ] %}

    union all

    select
        service_id,
        case when {{ column }} > 0 then '{{ gain }}' else '{{ loss }}' end as reason_code,
        cast({{ column }} as double) as observed_value,
        cast(case when {{ column }} > 0 then {{ min_usd }} else -{{ min_usd }} end as double)
            as threshold_value,
        {{ column }} as worth_usd
    from decided
    where abs({{ column }}) >= {{ min_usd }}
    {%- endfor %}

    union all

    -- Redundancy has no price here: it ranks behind what has one, unless a rule asks for it.
    select
        service_id,
        case when is_n1_covered_after then 'N1_NOT_COVERED' else 'N1_LOST' end as reason_code,
        n1_served_share_after - n1_served_share_before as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from decided
    where
        action <> 'keep'
        and is_n1_covered_before <> is_n1_covered_after

    union all

    select
        service_id,
        'STATE_MIGRATION' as reason_code,
        cast(migration_usd as double) as observed_value,
        0.0 as threshold_value,
        migration_usd as worth_usd
    from decided
    where migration_usd > 0

    union all

    -- Worse alone and still proposed: the gain is with its neighbours, and the reader must know.
    select
        service_id,
        'FLEET_GAIN' as reason_code,
        cast(objective_saving_usd as double) as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from decided
    where outcome = 'GAIN' and objective_saving_usd <= 0

    union all

    select
        service_id,
        coalesce(broken_rule_before, 'N1_LOSS') as reason_code,
        1.0 as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from decided
    where outcome = 'REQUIRED'

    union all

    select
        service_id,
        case
            when outcome = 'NOT_FEASIBLE' then 'NOT_FEASIBLE'
            when outcome = 'INSUFFICIENT_DATA' and mean_rps <= 0 then 'NO_DEMAND'
            when outcome = 'INSUFFICIENT_DATA' then 'PREDICTION_MISSING'
            when feasible_others = 0 then 'ONLY_FEASIBLE_SET'
            else 'NO_BETTER_SET'
        end as reason_code,
        case
            when outcome = 'KEEP_NO_GAIN' and feasible_others > 0
                then cast(smallest_gap_usd as double)
            when outcome = 'INSUFFICIENT_DATA' and mean_rps <= 0 then mean_rps
            else cast(feasible_others as double)
        end as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from decided
    where action = 'keep' or outcome = 'NOT_FEASIBLE'

    union all

    select
        service_id,
        reason_code,
        1.0 as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from caps
)

select * from final
