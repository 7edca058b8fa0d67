with

regions as (
    select * from {{ ref('int_network__regions') }}
),

prices as (
    select * from {{ ref('stg_raw__region_egress') }}
),

final as (
    select
        sources.region_id as source_region_id,
        targets.region_id as target_region_id,
        case
            -- Bytes that stay in a region are free, whatever a list says about its zones.
            when sources.region_id = targets.region_id then cast(0 as decimal(18, 6))
            when prices.egress_usd_per_gb is not null then prices.egress_usd_per_gb
            when sources.provider = targets.provider then sources.default_egress_usd_per_gb
            else sources.egress_internet_usd_per_gb
        end as egress_usd_per_gb,
        prices.egress_usd_per_gb is null as is_egress_default
    from regions as sources
    cross join regions as targets
    left join prices
        on sources.region_id = prices.source_region_id
        and targets.region_id = prices.target_region_id
)

select * from final
