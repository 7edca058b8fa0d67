with

source as (
    select * from {{ source('ml', 'placement_exceptions') }}
),

final as (
    select
        rule,
        service_id,
        region_id,
        amount,
        unit,
        usd_per_unit_hour,
        usd_per_month
    from source
)

select * from final
