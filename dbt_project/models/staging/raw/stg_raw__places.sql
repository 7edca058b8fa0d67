-- Every place a request can come from or go to. Both lists are staged already; only the union is new.
select
    region_id as place_id,
    true as is_region,
    country_code,
    continent,
    latitude,
    longitude,
    utc_offset_hours
from {{ ref('stg_raw__regions') }}

union all

select
    origin_id as place_id,
    false as is_region,
    country_code,
    continent,
    latitude,
    longitude,
    utc_offset_hours
from {{ ref('stg_raw__origins') }}
