with

regions as (
    select * from {{ ref('stg_raw__regions') }}
),

places as (
    select * from {{ ref('stg_raw__places') }}
),

demanding as (
    select distinct origin_id from {{ ref('int_demand__traffic_hours') }}
),

final as (
    select
        places.place_id,
        places.is_region,
        demanding.origin_id is not null as is_origin,
        coalesce(regions.region_name, places.place_id) as place_name,
        regions.provider,
        places.country_code,
        places.continent,
        places.latitude,
        places.longitude,
        places.utc_offset_hours
    from places
    left join regions
        on places.place_id = regions.region_id
        and places.is_region
    left join demanding
        on places.place_id = demanding.origin_id
)

select * from final
