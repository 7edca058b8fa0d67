with

ranked as (
    select * from {{ ref('int_placement__reasons_ranked') }}
),

advice as (
    select * from {{ ref('int_placement__advice') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        advice.recommendation_id,
        ranked.service_id,
        ranked.reason_rank,
        ranked.reason_code,
        ranked.reason_kind,
        ranked.is_for_change,
        ranked.reason_text,
        ranked.metric_name,
        ranked.observed_value,
        ranked.threshold_value,
        ranked.unit,
        ranked.worth_usd as monthly_worth_usd,
        ranked.evidence_mart,
        observation_window.as_of_at as as_of
    from ranked
    inner join advice
        on ranked.service_id = advice.service_id
    cross join observation_window
)

select * from final
