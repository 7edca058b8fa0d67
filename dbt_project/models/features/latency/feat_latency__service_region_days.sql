with

labels as (
    select * from {{ ref('int_latency__service_region_days') }}
    where observed_ms is not null
),

estimates as (
    select * from {{ ref('int_latency__estimates') }}
),

services as (
    select * from {{ ref('int_latency__services') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

final as (
    select
        labels.service_id,
        labels.region_id,
        labels.placed_on,
        cast({{ dbt.datediff('the_window.first_on', 'labels.placed_on', 'day') }} as int) as day_index,
        labels.observed_ms,
        labels.p95_ms,
        labels.requests_served,
        labels.instances,
        labels.cpu_utilization,
        labels.error_rate,
        estimates.rtt_w_ms,
        estimates.demand_ms,
        estimates.rho,
        estimates.rho_max,
        estimates.q_hat_ms,
        estimates.dep_rtt_ms,
        estimates.dep_full_ms,
        estimates.base_hat_ms,
        estimates.phys_ms,
        estimates.q_w95_ms,
        services.cpu_cores,
        services.memory_mb,
        services.service_class,
        services.template,
        services.is_latency_critical,
        services.is_entry,
        cast(services.depth as int) as depth,
        cast(services.out_degree as int) as out_degree,
        cast(estimates.n_regions as int) as n_regions,
        cast(services.user_share as double) as user_share,
        cast(services.layer as int) as layer
    from labels
    inner join estimates
        on labels.service_id = estimates.service_id
        and labels.region_id = estimates.region_id
        and labels.placed_on = estimates.placed_on
    inner join services
        on labels.service_id = services.service_id
    cross join the_window
)

select * from final
