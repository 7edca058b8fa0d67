with

landed as (
    select * from {{ source('raw', 'regions') }}
),

renamed as (
    select
        nullif(trim(landed.region_id), '') as region_id,
        nullif(lower(trim(landed.provider)), '') as provider,
        nullif(trim(landed.display_name), '') as region_name,
        nullif(upper(trim(landed.country_code)), '') as country_code,
        nullif(upper(trim(landed.continent)), '') as continent,
        landed.latitude,
        landed.longitude,
        landed.utc_offset_hours,
        landed.vcpu_hour_usd,
        landed.memory_gb_hour_usd,
        landed.egress_internet_usd_per_gb,
        landed.capacity_vcpu,
        landed.carbon_g_per_kwh,
        landed.source as facts_source,
        landed.observed_on as facts_observed_on,
        landed.region_id as raw_region_id,
        landed._file as file_name,
        landed._row as line_number,
        landed._unparsed as unparsed_values
    from landed
),

ruled as (
    select
        renamed.*,
        case
            when renamed.unparsed_values is not null then 'unparsed_value'
            when
                renamed.region_id is null or renamed.provider is null or renamed.country_code is null
                or renamed.continent is null or renamed.latitude is null
                or renamed.longitude is null or renamed.vcpu_hour_usd is null
                or renamed.memory_gb_hour_usd is null then 'missing_required'
            when
                {{ is_invalid_continent('renamed.continent') }}
                or {{ is_invalid_country('renamed.country_code') }} then 'invalid_code'
            when
                {{ is_outside('renamed.latitude', -90, 90) }}
                or {{ is_outside('renamed.longitude', -180, 180) }} then 'invalid_coordinates'
            when
                {{ is_outside('renamed.vcpu_hour_usd', 0, 5) }}
                or {{ is_outside('renamed.memory_gb_hour_usd', 0, 1) }}
                or {{ is_outside('renamed.egress_internet_usd_per_gb', 0, 2) }}
                or {{ is_outside('renamed.capacity_vcpu', 0, 1e12) }}
                or {{ is_outside('renamed.carbon_g_per_kwh', 0, 2000) }}
                or {{ is_outside('renamed.utc_offset_hours', -12, 14) }} then 'value_out_of_range'
        end as broken_rule
    from renamed
),

{{ settle_repeats(
    'ruled',
    keys=['region_id'],
    payload=[
        'provider',
        'region_name',
        'country_code',
        'continent',
        'latitude',
        'longitude',
        'utc_offset_hours',
        'vcpu_hour_usd',
        'memory_gb_hour_usd',
        'egress_internet_usd_per_gb',
        'capacity_vcpu',
        'carbon_g_per_kwh',
        'facts_source',
        'facts_observed_on',
    ],
) }},

final as (
    select
        ruled.region_id,
        ruled.provider,
        ruled.region_name,
        ruled.country_code,
        ruled.continent,
        ruled.latitude,
        ruled.longitude,
        ruled.utc_offset_hours,
        ruled.vcpu_hour_usd,
        ruled.memory_gb_hour_usd,
        ruled.egress_internet_usd_per_gb,
        ruled.capacity_vcpu,
        ruled.carbon_g_per_kwh,
        ruled.facts_source,
        ruled.facts_observed_on,
        ruled.file_name,
        ruled.line_number,
        coalesce(ruled.broken_rule, settled.repeat_rule) as rejected_rule,
        case
            when coalesce(ruled.broken_rule, settled.repeat_rule) is not null
                then {{ json_of({
                    'region_id': 'ruled.raw_region_id',
                    'provider': 'ruled.provider',
                    'display_name': 'ruled.region_name',
                    'country_code': 'ruled.country_code',
                    'continent': 'ruled.continent',
                    'latitude': 'ruled.latitude',
                    'longitude': 'ruled.longitude',
                    'utc_offset_hours': 'ruled.utc_offset_hours',
                    'vcpu_hour_usd': 'ruled.vcpu_hour_usd',
                    'memory_gb_hour_usd': 'ruled.memory_gb_hour_usd',
                    'egress_internet_usd_per_gb': 'ruled.egress_internet_usd_per_gb',
                    'capacity_vcpu': 'ruled.capacity_vcpu',
                    'carbon_g_per_kwh': 'ruled.carbon_g_per_kwh',
                    'source': 'ruled.facts_source',
                    'observed_on': 'ruled.facts_observed_on',
                    'unparsed': 'ruled.unparsed_values',
                }) }}
        end as original_values
    from ruled
    left join settled
        on ruled.file_name = settled.file_name
        and ruled.line_number = settled.line_number
)

select * from final
