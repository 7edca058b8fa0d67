with

effects as (
    select * from {{ ref('int_placement__plan_effects') }}
    where plan_kind = 'recommended'
),

alternatives as (
    select * from {{ ref('stg_ml__placement_alternatives') }}
),

-- A region left out for want of data is not a region rejected.
choices as (
    select
        service_id,
        sum(case when not is_current and is_complete then 1 else 0 end) as known_choices,
        sum(case when not is_complete then 1 else 0 end) as incomplete_choices,
        sum(case when not is_chosen and is_feasible then 1 else 0 end) as feasible_others,
        min(case when not is_chosen and is_feasible then gap_objective_usd_per_month end)
            as smallest_gap_usd
    from alternatives
    group by service_id
),

final as (
    select
        effects.plan_id,
        effects.service_id,
        effects.action,
        case
            when not effects.is_feasible_after then 'NOT_FEASIBLE'
            when
                effects.action = 'keep'
                and (
                    effects.mean_latency_after_ms is null
                    or effects.mean_rps <= 0
                    or (choices.known_choices = 0 and choices.incomplete_choices > 0)
                )
                then 'INSUFFICIENT_DATA'
            when effects.action = 'keep' then 'KEEP_NO_GAIN'
            when not effects.is_feasible_before then 'REQUIRED'
            else 'GAIN'
        end as outcome,
        coalesce(choices.feasible_others, 0) as feasible_others,
        choices.smallest_gap_usd
    from effects
    left join choices
        on effects.service_id = choices.service_id
)

select * from final
