with

alternatives as (
    select * from {{ ref('stg_ml__placement_alternatives') }}
),

advice as (
    select * from {{ ref('int_placement__advice') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

-- Chosen regions first, then by what they would cost; the id ends the order of a tie.
ranked as (
    select
        service_id,
        region_id,
        row_number() over (
            partition by service_id
            order by
                case when is_chosen then 0 else 1 end,
                gap_objective_usd_per_month,
                region_id
        ) as alternative_rank
    from alternatives
    where is_feasible and is_complete
),

final as (
    select
        advice.recommendation_id,
        alternatives.service_id,
        alternatives.region_id,
        case
            when not alternatives.is_complete then 'not ranked'
            when alternatives.is_feasible then 'option'
            else 'excluded'
        end as reading_group,
        alternatives.is_chosen,
        alternatives.is_current,
        alternatives.is_feasible,
        alternatives.is_complete,
        ranked.alternative_rank,
        alternatives.blocking_constraint,
        alternatives.blocking_evidence,
        alternatives.best_region_set,
        alternatives.gap_usd_per_month as gap_usd,
        alternatives.gap_ms,
        alternatives.gap_objective_usd_per_month as gap_objective,
        alternatives.gap_lower_usd_per_month as gap_lower,
        alternatives.gap_upper_usd_per_month as gap_upper,
        alternatives.gap_method,
        observation_window.as_of_at as as_of
    from alternatives
    inner join advice
        on alternatives.service_id = advice.service_id
    cross join observation_window
    left join ranked
        on alternatives.service_id = ranked.service_id
        and alternatives.region_id = ranked.region_id
)

select * from final
