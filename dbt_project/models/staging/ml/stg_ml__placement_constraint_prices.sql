with

source as (
    select * from {{ source('ml', 'placement_constraint_prices') }}
),

final as (
    select
        constraint_code,
        scope,
        service_id,
        region_id,
        is_binding,
        price_usd_per_month,
        price_lower_usd_per_month,
        price_upper_usd_per_month,
        bill_price_usd_per_month,
        latency_price_ms,
        price_method,
        lower_bound_usd_per_hour,
        upper_bound_usd_per_hour,
        dual_usd_per_unit_hour,
        sentence
    from source
)

select * from final
