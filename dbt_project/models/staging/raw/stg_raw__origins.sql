select
    origin_id,
    country_code,
    continent,
    latitude,
    longitude,
    utc_offset_hours,
    population
from {{ ref('stg_raw__origins__judged') }}
where rejected_rule is null
