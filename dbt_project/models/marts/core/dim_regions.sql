with

regions as (
    select * from {{ ref('feat_placement__regions') }}
),

price_book as (
    select
        region_id,
        facts_source,
        facts_observed_on
    from {{ ref('int_network__regions') }}
),

current_services as (
    select
        region_id,
        count(*) as services_now,
        sum(current_instances) as instances_now
    from {{ ref('feat_placement__service_regions') }}
    where is_current
    group by region_id
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        regions.region_id,
        regions.provider,
        regions.display_name,
        regions.country_code,
        regions.continent,
        regions.latitude,
        regions.longitude,
        cast(regions.vcpu_hour_usd as decimal(18, 6)) as vcpu_hour_usd,
        cast(regions.memory_gb_hour_usd as decimal(18, 6)) as memory_gb_hour_usd,
        cast(regions.egress_internet_usd_per_gb as decimal(18, 6)) as egress_internet_usd_per_gb,
        regions.capacity_vcpu,
        regions.carbon_g_per_kwh,
        price_book.facts_source,
        price_book.facts_observed_on,
        cast(coalesce(current_services.services_now, 0) as bigint) as services_now,
        cast(coalesce(current_services.instances_now, 0) as bigint) as instances_now,
        coalesce(current_services.services_now, 0) > 0 as is_used,
        observation_window.as_of_at as as_of
    from regions
    cross join observation_window
    inner join price_book
        on regions.region_id = price_book.region_id
    left join current_services
        on regions.region_id = current_services.region_id
)

select * from final
