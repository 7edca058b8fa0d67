with

placed as (
    select * from {{ ref('int_placement__service_region_days') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

staged as (
    select * from {{ ref('stg_raw__service_placement') }}
),

load_days as (
    select * from {{ ref('int_load__service_region_days') }}
),

client_flows as (
    select * from {{ ref('int_load__client_flows') }}
),

nearest as (
    select * from {{ ref('int_load__nearest') }}
),

services as (
    select * from {{ ref('int_latency__services') }}
),

network as (
    select
        service_id,
        region_id,
        placed_on,
        {{ exact_sum('share * rtt_ms') }} as rtt_w_ms
    from client_flows
    group by
        service_id,
        region_id,
        placed_on
),

-- Nobody is known to call: clients could be anywhere a region is.
anywhere as (
    select
        service_id,
        region_id,
        placed_on,
        {{ exact_sum('rtt_ms') }} / count(*) as rtt_w_ms,
        max(n_regions) as n_regions
    from nearest
    group by
        service_id,
        region_id,
        placed_on
),

final as (
    select
        placed.service_id,
        placed.region_id,
        placed.placed_on,
        placed.placed_on <= the_window.train_through_on as is_training,
        staged.observed_ms,
        services.layer,
        services.template,
        anywhere.n_regions,
        coalesce(network.rtt_w_ms, anywhere.rtt_w_ms) as rtt_w_ms,
        services.demand_ms,
        coalesce(load_days.rho, 0) as rho,
        coalesce(load_days.rho_max, 0) as rho_max,
        coalesce(load_days.q_hat_ms, 0) as q_hat_ms,
        coalesce(load_days.q_w95_ms, 0) as q_w95_ms
    from placed
    inner join the_window
        on placed.placed_on between the_window.first_on and the_window.last_on
    inner join services
        on placed.service_id = services.service_id
    inner join anywhere
        on placed.service_id = anywhere.service_id
        and placed.region_id = anywhere.region_id
        and placed.placed_on = anywhere.placed_on
    left join staged
        on placed.service_id = staged.service_id
        and placed.region_id = staged.region_id
        and placed.placed_on = staged.placed_on
    left join network
        on placed.service_id = network.service_id
        and placed.region_id = network.region_id
        and placed.placed_on = network.placed_on
    left join load_days
        on placed.service_id = load_days.service_id
        and placed.region_id = load_days.region_id
        and placed.placed_on = load_days.placed_on
)

select * from final
