with

services as (
    select * from {{ ref('stg_raw__services') }}
),

tier_defaults as (
    select * from {{ ref('tier_defaults') }}
),

named as (
    select
        services.*,
        regexp_extract(lower(services.service_name), '([a-z]+)', 1) as first_word
    from services
),

final as (
    select
        named.service_id,
        named.service_name,
        named.team,
        named.cpu_cores,
        named.memory_mb,
        named.is_latency_critical,
        named.tier,
        named.slo_p95_ms,
        named.nominal_rps,
        named.nominal_dependencies,
        coalesce(
            named.min_regions,
            -- A default may not contradict what the owner did say.
            least(tier_defaults.min_regions, coalesce(named.max_regions, tier_defaults.min_regions)),
            1
        ) as min_regions,
        named.min_regions is null as is_min_regions_default,
        named.max_regions,
        named.residency,
        coalesce(named.is_stateful, false) as is_stateful,
        named.state_gb,
        named.request_kb,
        named.response_kb,
        -- One process per whole core serves requests; less than a core is still one process.
        greatest(1, floor(named.cpu_cores)) as workers_per_instance,
        coalesce(nullif(named.first_word, ''), 'other') as template
    from named
    left join tier_defaults
        on named.tier = tier_defaults.tier
)

select * from final
