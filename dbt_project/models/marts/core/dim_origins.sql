with

places as (
    select * from {{ ref('int_network__places') }}
    where is_origin
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        places.place_id as origin_id,
        places.place_name as display_name,
        places.is_region,
        places.country_code,
        places.continent,
        places.latitude,
        places.longitude,
        places.utc_offset_hours,
        observation_window.as_of_at as as_of
    from places
    cross join observation_window
)

select * from final
