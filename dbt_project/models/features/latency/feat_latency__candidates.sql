with

services as (
    select * from {{ ref('int_latency__services') }}
    where is_active
),

regions as (
    select * from {{ ref('int_network__places') }}
    where is_region
),

pairs as (
    select * from {{ ref('int_network__pairs') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

placed as (
    select * from {{ ref('int_placement__service_region_days') }}
),

bases as (
    select
        service_id,
        max(base_hat_ms) as base_hat_ms
    from {{ ref('int_latency__estimates') }}
    group by service_id
),

dependencies as (
    select * from {{ ref('int_latency__candidate_dependencies') }}
),

-- The mix of callers of the last week: weekends call from elsewhere than weekdays.
clients as (
    select
        flows.service_id,
        flows.client_id,
        {{ exact_sum('flows.requests', 6) }} as requests
    from {{ ref('int_load__client_flows') }} as flows
    inner join the_window
        on flows.placed_on > {{ dbt.dateadd('day', -7, 'the_window.last_on') }}
    group by
        flows.service_id,
        flows.client_id
),

network as (
    select
        clients.service_id,
        pairs.region_id,
        {{ exact_mean('pairs.rtt_ms', 'clients.requests') }} as rtt_w_ms
    from clients
    inner join pairs
        on clients.client_id = pairs.client_id
    group by
        clients.service_id,
        pairs.region_id
),

anywhere as (
    select
        region_id,
        {{ exact_sum('rtt_ms') }} / count(*) as rtt_w_ms
    from pairs
    group by region_id
),

-- Only the past: a row after the window would be news.
history as (
    select
        placed.service_id,
        placed.region_id,
        max(case when placed.placed_on = the_window.last_on then 1 else 0 end) = 1 as is_current
    from placed
    inner join the_window
        on placed.placed_on between the_window.first_on and the_window.last_on
    group by
        placed.service_id,
        placed.region_id
),

current_counts as (
    select
        service_id,
        count(*) as n_regions_now
    from history
    where is_current
    group by service_id
),

final as (
    select
        services.service_id,
        regions.place_id as region_id,
        services.demand_ms,
        coalesce(dependencies.dep_rtt_ms, 0) as dep_rtt_ms,
        coalesce(dependencies.dep_full_ms, 0) as dep_full_ms,
        bases.base_hat_ms,
        services.cpu_cores,
        services.memory_mb,
        services.service_class,
        services.template,
        services.is_latency_critical,
        services.is_entry,
        cast(services.depth as int) as depth,
        cast(services.out_degree as int) as out_degree,
        cast(services.user_share as double) as user_share,
        cast(current_counts.n_regions_now as int) as n_regions_now,
        coalesce(network.rtt_w_ms, anywhere.rtt_w_ms) as rtt_w_ms,
        coalesce(history.is_current, false) as is_current,
        history.service_id is not null as ever_ran_here,
        cast(services.layer as int) as layer
    from services
    cross join regions
    inner join bases
        on services.service_id = bases.service_id
    inner join current_counts
        on services.service_id = current_counts.service_id
    inner join anywhere
        on regions.place_id = anywhere.region_id
    left join network
        on services.service_id = network.service_id
        and regions.place_id = network.region_id
    left join dependencies
        on services.service_id = dependencies.service_id
        and regions.place_id = dependencies.region_id
    left join history
        on services.service_id = history.service_id
        and regions.place_id = history.region_id
)

select * from final
