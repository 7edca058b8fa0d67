with

changes as (
    select * from {{ ref('int_placement__region_changes') }}
    where plan_kind = 'recommended'
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
        changes.service_id,
        changes.region_id,
        changes.role,
        changes.instances_before,
        changes.instances_after,
        changes.traffic_share_before,
        changes.traffic_share_after,
        changes.monthly_compute_before_usd as monthly_cost_before_usd,
        changes.monthly_compute_after_usd as monthly_cost_usd,
        observation_window.as_of_at as as_of
    from changes
    inner join advice
        on changes.service_id = advice.service_id
    cross join observation_window
)

select * from final
