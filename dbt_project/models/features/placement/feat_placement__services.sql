with

services as (
    select * from {{ ref('int_placement__services') }}
),

derived as (
    select * from {{ ref('int_latency__services') }}
),

-- The median over days of a ratio; the percentiles themselves are never averaged.
tails as (
    select
        service_id,
        median(p95_ms / observed_ms) as p95_over_mean
    from {{ ref('int_latency__service_region_days') }}
    where observed_ms > 0 and p95_ms > 0
    group by service_id
),

final as (
    select
        services.service_id,
        services.service_name,
        services.team,
        cast(services.tier as int) as tier,
        services.is_latency_critical,
        derived.template,
        derived.service_class,
        services.cpu_cores,
        services.memory_mb / 1024.0 as memory_gb,
        derived.demand_ms,
        derived.demand_source,
        services.slo_p95_ms,
        cast(services.min_regions as int) as min_regions,
        cast(services.max_regions as int) as max_regions,
        services.residency,
        services.is_stateful,
        services.state_gb,
        services.request_kb,
        services.response_kb,
        cast(derived.mean_rps as double) as mean_rps,
        cast(derived.user_share as double) as user_share,
        derived.is_active,
        tails.p95_over_mean
    from services
    inner join derived
        on services.service_id = derived.service_id
    left join tails
        on services.service_id = tails.service_id
)

select
    service_id,
    service_name,
    team,
    tier,
    is_latency_critical,
    template,
    service_class,
    cpu_cores,
    cast(memory_gb as double) as memory_gb,
    demand_ms,
    demand_source,
    slo_p95_ms,
    min_regions,
    max_regions,
    residency,
    is_stateful,
    state_gb,
    request_kb,
    response_kb,
    mean_rps,
    user_share,
    is_active,
    p95_over_mean
from final
