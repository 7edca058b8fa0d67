{{ config(materialized='view') }}
-- A view: the staged regions, with the one default that both halves need.

with

regions as (
    select * from {{ ref('stg_raw__regions') }}
),

defaults as (
    select * from {{ ref('egress_defaults') }}
),

final as (
    select
        regions.region_id,
        regions.provider,
        regions.region_name,
        regions.country_code,
        regions.continent,
        regions.latitude,
        regions.longitude,
        regions.utc_offset_hours,
        regions.vcpu_hour_usd,
        regions.memory_gb_hour_usd,
        coalesce(
            regions.egress_internet_usd_per_gb,
            cast(coalesce(own.other_provider_usd_per_gb, other.other_provider_usd_per_gb) as decimal(18, 6))
        ) as egress_internet_usd_per_gb,
        regions.egress_internet_usd_per_gb is null as is_internet_egress_default,
        cast(coalesce(own.same_provider_usd_per_gb, other.same_provider_usd_per_gb) as decimal(18, 6))
            as default_egress_usd_per_gb,
        regions.capacity_vcpu,
        regions.carbon_g_per_kwh,
        regions.facts_source,
        regions.facts_observed_on
    from regions
    left join defaults as own
        on regions.provider = own.provider
    left join defaults as other
        on other.provider = 'other'
)

select * from final
