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

reason_codes as (
    select * from {{ ref('reason_codes') }}
),

recommendation_ids as (
    select * from {{ ref('int_placement__recommendation_ids') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

-- Each branch: what was observed, the threshold that made it a reason, its worth for the ranking.
found as (
    select
        service_id,
        case when mean_latency_delta_ms < 0 then 'USERS_CLOSER' else 'USERS_FARTHER' end
            as reason_code,
        mean_latency_delta_ms as observed_value,
        case when mean_latency_delta_ms < 0 then -{{ min_ms }} else {{ min_ms }} end
            as threshold_value,
        monthly_waiting_saving_usd as worth_usd
    from effects
    where abs(mean_latency_delta_ms) >= {{ min_ms }}

    union all

    select
        service_id,
        case when monthly_compute_saving_usd > 0 then 'CHEAPER_REGION' else 'DEARER_REGION' end
            as reason_code,
        cast(monthly_compute_saving_usd as double) as observed_value,
        case when monthly_compute_saving_usd > 0 then {{ min_usd }} else -{{ min_usd }} end
            as threshold_value,
        monthly_compute_saving_usd as worth_usd
    from effects
    where abs(monthly_compute_saving_usd) >= {{ min_usd }}

    union all

    select
        service_id,
        case when monthly_egress_saving_usd > 0 then 'LESS_TRANSFER' else 'MORE_TRANSFER' end
            as reason_code,
        cast(monthly_egress_saving_usd as double) as observed_value,
        case when monthly_egress_saving_usd > 0 then {{ min_usd }} else -{{ min_usd }} end
            as threshold_value,
        monthly_egress_saving_usd as worth_usd
    from effects
    where abs(monthly_egress_saving_usd) >= {{ min_usd }}

    union all

    select
        service_id,
        case when monthly_open_saving_usd > 0 then 'FEWER_REGIONS' else 'MORE_REGIONS' end
            as reason_code,
        cast(monthly_open_saving_usd as double) as observed_value,
        case when monthly_open_saving_usd > 0 then {{ min_usd }} else -{{ min_usd }} end
            as threshold_value,
        monthly_open_saving_usd as worth_usd
    from effects
    where abs(monthly_open_saving_usd) >= {{ min_usd }}

    union all

    -- Redundancy has no price here: it ranks behind what has one, unless a rule asks for it.
    select
        service_id,
        case
            when n1_served_share_after > n1_served_share_before then 'N1_NOT_COVERED'
            else 'N1_LOST'
        end as reason_code,
        n1_served_share_after - n1_served_share_before as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from effects
    where action <> 'keep'
        and is_n1_covered_before <> is_n1_covered_after

    union all

    select
        service_id,
        'STATE_MIGRATION' as reason_code,
        cast(migration_usd as double) as observed_value,
        0.0 as threshold_value,
        cast(-migration_usd as decimal(18, 6)) as worth_usd
    from effects
    where migration_usd > 0

    union all

    select
        effects.service_id,
        'FLEET_GAIN' as reason_code,
        cast(effects.monthly_saving_usd + effects.monthly_waiting_saving_usd as double)
            as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from effects
    inner join outcomes
        on effects.service_id = outcomes.service_id
    where outcomes.outcome = 'GAIN'
        and effects.monthly_saving_usd + effects.monthly_waiting_saving_usd <= 0

    union all

    select
        outcomes.service_id,
        coalesce(effects.broken_rule_before, 'N1_LOSS') as reason_code,
        1.0 as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from outcomes
    inner join effects
        on outcomes.service_id = effects.service_id
    where outcomes.outcome = 'REQUIRED'

    union all

    select
        outcomes.service_id,
        case
            when outcomes.outcome = 'NOT_FEASIBLE' then 'NOT_FEASIBLE'
            when outcomes.outcome = 'INSUFFICIENT_DATA' and effects.mean_rps <= 0 then 'NO_DEMAND'
            when outcomes.outcome = 'INSUFFICIENT_DATA' then 'PREDICTION_MISSING'
            when outcomes.feasible_others = 0 then 'ONLY_FEASIBLE_SET'
            else 'NO_BETTER_SET'
        end as reason_code,
        case
            when outcomes.outcome = 'KEEP_NO_GAIN' and outcomes.feasible_others > 0
                then cast(outcomes.smallest_gap_usd as double)
            when outcomes.outcome = 'INSUFFICIENT_DATA' and effects.mean_rps <= 0
                then effects.mean_rps
            else cast(outcomes.feasible_others as double)
        end as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from outcomes
    inner join effects
        on outcomes.service_id = effects.service_id
    where outcomes.action = 'keep' or outcomes.outcome = 'NOT_FEASIBLE'

    union all

    select
        service_id,
        reason_code,
        1.0 as observed_value,
        0.0 as threshold_value,
        cast(0 as decimal(18, 6)) as worth_usd
    from caps
),

ranked as (
    select
        found.*,
        reason_codes.is_for_change,
        reason_codes.metric_name,
        reason_codes.unit,
        reason_codes.evidence_mart,
        reason_codes.text,
        outcomes.action,
        row_number() over (
            partition by found.service_id
            order by
                -- The rule that forces, then why it stays, then why it goes, against, gaps.
                case
                    when reason_codes.reason_kind = 'rule' then 1
                    when reason_codes.reason_kind = 'keep' then 2
                    when reason_codes.reason_kind = 'data' then 5
                    when reason_codes.is_for_change then 3
                    else 4
                end,
                abs(found.worth_usd) desc,
                found.reason_code
        ) as reason_rank
    from found
    inner join outcomes
        on found.service_id = outcomes.service_id
    inner join reason_codes
        on found.reason_code = reason_codes.reason_code
)

select * from ranked
