select
    region_id,
    provider,
    region_name,
    country_code,
    continent,
    latitude,
    longitude,
    utc_offset_hours,
    vcpu_hour_usd,
    memory_gb_hour_usd,
    egress_internet_usd_per_gb,
    capacity_vcpu,
    carbon_g_per_kwh,
    facts_source,
    facts_observed_on
from {{ ref('stg_raw__regions__judged') }}
where rejected_rule is null
