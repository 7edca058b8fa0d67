with

found as (
    select * from {{ ref('stg_ml__placement_exceptions') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        found.rule,
        found.service_id,
        found.region_id,
        found.amount,
        found.unit,
        found.usd_per_unit_hour,
        found.usd_per_month as monthly_cost_usd,
        observation_window.as_of_at as as_of
    from found
    cross join observation_window
)

select * from final
