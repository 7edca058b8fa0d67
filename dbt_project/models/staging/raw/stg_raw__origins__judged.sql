with

landed as (
    select * from {{ source('raw', 'origins') }}
),

regions as (
    select * from {{ ref('stg_raw__regions') }}
),

renamed as (
    select
        nullif(trim(landed.origin_id), '') as origin_id,
        nullif(upper(trim(landed.country_code)), '') as country_code,
        nullif(upper(trim(landed.continent)), '') as continent,
        landed.latitude,
        landed.longitude,
        landed.utc_offset_hours,
        landed.population,
        landed.origin_id as raw_origin_id,
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
            when renamed.origin_id is null then 'missing_required'
            when regions.region_id is not null then 'origin_is_region'
            when
                {{ is_invalid_continent('renamed.continent') }}
                or {{ is_invalid_country('renamed.country_code') }} then 'invalid_code'
            when
                {{ is_outside('renamed.latitude', -90, 90) }}
                or {{ is_outside('renamed.longitude', -180, 180) }} then 'invalid_coordinates'
            when
                {{ is_outside('renamed.utc_offset_hours', -12, 14) }}
                or {{ is_outside('renamed.population', 0, 1e10) }} then 'value_out_of_range'
        end as broken_rule
    from renamed
    left join regions
        on renamed.origin_id = regions.region_id
),

{{ settle_repeats(
    'ruled',
    keys=['origin_id'],
    payload=[
        'country_code',
        'continent',
        'latitude',
        'longitude',
        'utc_offset_hours',
        'population',
    ],
) }},

final as (
    select
        ruled.origin_id,
        ruled.country_code,
        ruled.continent,
        ruled.latitude,
        ruled.longitude,
        ruled.utc_offset_hours,
        ruled.population,
        ruled.file_name,
        ruled.line_number,
        coalesce(ruled.broken_rule, settled.repeat_rule) as rejected_rule,
        case
            when coalesce(ruled.broken_rule, settled.repeat_rule) is not null
                then {{ json_of({
                    'origin_id': 'ruled.raw_origin_id',
                    'country_code': 'ruled.country_code',
                    'continent': 'ruled.continent',
                    'latitude': 'ruled.latitude',
                    'longitude': 'ruled.longitude',
                    'utc_offset_hours': 'ruled.utc_offset_hours',
                    'population': 'ruled.population',
                    'unparsed': 'ruled.unparsed_values',
                }) }}
        end as original_values
    from ruled
    left join settled
        on ruled.file_name = settled.file_name
        and ruled.line_number = settled.line_number
)

select * from final
