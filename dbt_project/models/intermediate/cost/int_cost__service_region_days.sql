with

placed as (
    select * from {{ ref('int_placement__service_region_days') }}
),

billed as (
    select * from {{ ref('int_latency__service_region_days') }}
),

services as (
    select * from {{ ref('int_placement__services') }}
),

regions as (
    select * from {{ ref('stg_raw__regions') }}
),

-- What the instances of a day cost on demand.
priced as (
    select
        placed.service_id,
        placed.region_id,
        placed.placed_on,
        cast(
            24 * placed.instances * (
                services.cpu_cores * cast(regions.vcpu_hour_usd as double)
                + services.memory_mb / 1024.0 * cast(regions.memory_gb_hour_usd as double)
            ) as decimal(18, 6)
        ) as price_book_usd
    from placed
    inner join services
        on placed.service_id = services.service_id
    inner join regions
        on placed.region_id = regions.region_id
),

final as (
    select
        priced.service_id,
        priced.region_id,
        priced.placed_on,
        coalesce(billed.billed_usd, priced.price_book_usd) as cost_usd,
        billed.billed_usd is null as is_cost_from_price_book
    from priced
    left join billed
        on priced.service_id = billed.service_id
        and priced.region_id = billed.region_id
        and priced.placed_on = billed.placed_on
)

select * from final
