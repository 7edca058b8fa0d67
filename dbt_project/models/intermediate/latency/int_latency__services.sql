with

services as (
    select * from {{ ref('int_placement__services') }}
),

graph as (
    select * from {{ ref('int_graph__services') }}
),

demand as (
    select * from {{ ref('int_load__demand') }}
),

traffic as (
    select * from {{ ref('int_demand__services') }}
),

final as (
    select
        services.service_id,
        services.cpu_cores,
        cast(services.memory_mb as double) as memory_mb,
        services.template,
        services.is_latency_critical,
        graph.service_class,
        graph.layer,
        graph.depth,
        graph.out_degree,
        demand.demand_ms,
        demand.demand_source,
        traffic.is_entry,
        traffic.user_share,
        traffic.mean_rps,
        traffic.is_active
    from services
    inner join graph
        on services.service_id = graph.service_id
    inner join demand
        on services.service_id = demand.service_id
    inner join traffic
        on services.service_id = traffic.service_id
)

select * from final
