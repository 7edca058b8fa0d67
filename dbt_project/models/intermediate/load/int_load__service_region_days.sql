with

hours as (
    select * from {{ ref('int_load__service_region_hours') }}
),

placed as (
    select * from {{ ref('int_placement__service_region_days') }}
),

services as (
    select * from {{ ref('int_placement__services') }}
),

demand as (
    select * from {{ ref('int_load__demand') }}
),

-- A server is one worker of one instance.
sized as (
    select
        placed.service_id,
        placed.region_id,
        placed.placed_on,
        placed.instances * services.workers_per_instance as servers,
        demand.demand_ms
    from placed
    inner join services
        on placed.service_id = services.service_id
    inner join demand
        on placed.service_id = demand.service_id
),

utilised as (
    select
        sized.*,
        hours.load_rps,
        hours.load_rps * sized.demand_ms / (1000 * sized.servers) as rho,
        {{ waiting_share(
            'least(hours.load_rps * sized.demand_ms / (1000 * sized.servers), '
            ~ var('utilisation_cap') ~ ')',
            'sized.servers'
        ) }} as waiting_share
    from hours
    inner join sized
        on hours.service_id = sized.service_id
        and hours.region_id = sized.region_id
        and hours.placed_on = sized.placed_on
),

waiting as (
    select
        service_id,
        region_id,
        placed_on,
        load_rps,
        rho,
        waiting_share,
        -- Mean wait of those who wait; the mean over everybody is that times their share.
        demand_ms / (servers * (1 - least(rho, {{ var('utilisation_cap') }}))) as wait_if_waiting_ms
    from utilised
),

final as (
    select
        service_id,
        region_id,
        placed_on,
        {{ exact_mean('rho', 'load_rps') }} as rho,
        max(rho) as rho_max,
        {{ exact_mean('waiting_share * wait_if_waiting_ms', 'load_rps') }} as q_hat_ms,
        {{ exact_mean(
            'wait_if_waiting_ms * greatest(0, ln(greatest(waiting_share, 1e-12) / 0.05))', 'load_rps'
        ) }} as q_w95_ms
    from waiting
    group by
        service_id,
        region_id,
        placed_on
)

select * from final
