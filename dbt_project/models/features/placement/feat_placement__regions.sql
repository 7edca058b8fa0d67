select
    region_id,
    provider,
    coalesce(region_name, region_id) as display_name,
    country_code,
    continent,
    latitude,
    longitude,
    cast(vcpu_hour_usd as decimal(18, 6)) as vcpu_hour_usd,
    cast(memory_gb_hour_usd as decimal(18, 6)) as memory_gb_hour_usd,
    cast(egress_internet_usd_per_gb as decimal(18, 6)) as egress_internet_usd_per_gb,
    capacity_vcpu,
    carbon_g_per_kwh
from {{ ref('int_network__regions') }}
