with

problem as (
    select * from {{ ref('int_certificate__problem') }}
),

service_sets as (
    select * from {{ ref('int_certificate__service_sets') }}
),

set_regions as (
    select * from {{ ref('int_certificate__set_regions') }}
),

routes as (
    select * from {{ ref('int_certificate__routes') }}
),

-- Money of one client served from one region alone; transfer is paid both ways.
clients as (
    select
        clients.*,
        regions.region_id,
        3600.0 * 1e-6 * case
            when clients.is_caller
                then
                    clients.request_kb_per_second
                    * coalesce(cast(sent.egress_usd_per_gb as double), 0)
                    + clients.response_kb_per_second
                    * coalesce(cast(returned.egress_usd_per_gb as double), 0)
            else
                clients.response_kb_per_second * regions.user_egress_usd_per_gb
                + clients.request_kb_per_second * problem.ingress_usd_per_gb
        end as egress_usd
    from {{ ref('int_certificate__clients') }} as clients
    cross join problem
    cross join {{ ref('int_certificate__regions') }} as regions
    left join {{ ref('feat_placement__region_pairs') }} as sent
        on clients.client_id = sent.region_id
        and regions.region_id = sent.client_id
        and sent.client_is_region
    left join {{ ref('feat_placement__region_pairs') }} as returned
        on clients.client_id = returned.client_id
        and regions.region_id = returned.region_id
        and returned.client_is_region
),

-- No float is added up in an order that threads decide.
means as (
    select
        service_sets.plan_id,
        service_sets.service_id,
        routes.set_mask,
        routes.region_id,
        {{ exact_sum('routes.routed_share * clients.mean_rps', 18) }} as mean_rps,
        {{ exact_sum('routes.routed_share * clients.mean_rps * routes.rtt_ms', 18) }}
            as mean_rps_rtt,
        {{ exact_sum('routes.routed_share * clients.awaited_rps', 18) }} as awaited_rps,
        {{ exact_sum('routes.routed_share * clients.awaited_rps * routes.rtt_ms', 18) }}
            as awaited_rps_rtt,
        {{ exact_sum('routes.routed_share * clients.callers_usd_per_ms', 18) }}
            as callers_usd_per_ms,
        {{ exact_sum('routes.routed_share * clients.callers_usd_per_ms * routes.rtt_ms', 18) }}
            as callers_usd_per_ms_rtt,
        {{ exact_sum('routes.routed_share * clients.egress_usd', 18) }} as egress_usd
    from service_sets
    inner join routes
        on service_sets.set_mask = routes.set_mask
    inner join clients
        on service_sets.plan_id = clients.plan_id
        and service_sets.service_id = clients.service_id
        and routes.client_id = clients.client_id
        and routes.is_caller = clients.is_caller
        and routes.region_id = clients.region_id
    group by
        service_sets.plan_id,
        service_sets.service_id,
        routes.set_mask,
        routes.region_id
),

final as (
    select
        service_sets.plan_id,
        service_sets.service_id,
        service_sets.set_mask,
        set_regions.region_id,
        service_sets.set_size,
        set_regions.region_bit,
        coalesce(peaks.peak_rps, 0) as peak_rps,
        coalesce(means.mean_rps, 0) as mean_rps,
        coalesce(means.mean_rps_rtt, 0) as mean_rps_rtt,
        coalesce(means.awaited_rps, 0) as awaited_rps,
        coalesce(means.awaited_rps_rtt, 0) as awaited_rps_rtt,
        coalesce(means.callers_usd_per_ms, 0) as callers_usd_per_ms,
        coalesce(means.callers_usd_per_ms_rtt, 0) as callers_usd_per_ms_rtt,
        coalesce(means.egress_usd, 0) as egress_usd
    from service_sets
    inner join set_regions
        on service_sets.set_mask = set_regions.set_mask
    left join means
        on service_sets.plan_id = means.plan_id
        and service_sets.service_id = means.service_id
        and service_sets.set_mask = means.set_mask
        and set_regions.region_id = means.region_id
    left join {{ ref('int_certificate__peaks') }} as peaks
        on service_sets.plan_id = peaks.plan_id
        and service_sets.service_id = peaks.service_id
        and service_sets.set_mask = peaks.set_mask
        and set_regions.region_id = peaks.region_id
)

select * from final
