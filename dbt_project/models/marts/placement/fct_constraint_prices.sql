with

found as (
    select * from {{ ref('stg_ml__placement_constraint_prices') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        found.constraint_code,
        found.scope,
        found.service_id,
        found.region_id,
        found.is_binding,
        found.price_usd_per_month as monthly_price_usd,
        found.price_lower_usd_per_month as monthly_price_lo_usd,
        found.price_upper_usd_per_month as monthly_price_hi_usd,
        found.bill_price_usd_per_month as monthly_bill_price_usd,
        found.latency_price_ms as mean_latency_price_ms,
        found.price_method,
        found.dual_usd_per_unit_hour,
        found.sentence,
        observation_window.as_of_at as as_of
    from found
    cross join observation_window
)

select * from final
