with

routes as (
    select * from {{ ref('int_certificate__routes') }}
),

clients as (
    select distinct
        client_id,
        is_caller,
        client_bit,
        astray_share
    from routes
),

hours as (
    select
        hours.plan_id,
        hours.service_id,
        hours.hour_bin,
        hours.peak_rps,
        clients.client_bit,
        clients.astray_share
    from {{ ref('int_certificate__client_hours') }} as hours
    inner join clients
        on hours.client_id = clients.client_id
        and hours.is_caller = clients.is_caller
    where hours.can_be_a_peak
),

-- Whom a region of a set is near to. Few such groups of clients exist: far fewer than sets.
slot_masks as (
    select
        set_mask,
        region_id,
        set_size,
        cast(sum(case when is_near then client_bit else 0 end) as bigint) as near_mask
    from routes
    group by
        set_mask,
        region_id,
        set_size
),

service_clients as (
    select distinct
        plan_id,
        service_id,
        client_bit
    from hours
),

service_masks as (
    select
        plan_id,
        service_id,
        cast(sum(client_bit) as bigint) as client_mask
    from service_clients
    group by
        plan_id,
        service_id
),

slots as (
    select
        service_sets.plan_id,
        service_sets.service_id,
        service_sets.set_mask,
        slot_masks.region_id,
        slot_masks.set_size,
        slot_masks.near_mask & service_masks.client_mask as near_mask
    from {{ ref('int_certificate__service_sets') }} as service_sets
    inner join slot_masks
        on service_sets.set_mask = slot_masks.set_mask
    inner join service_masks
        on service_sets.plan_id = service_masks.plan_id
        and service_sets.service_id = service_masks.service_id
),

groups_by_size as (
    select distinct
        plan_id,
        service_id,
        near_mask,
        set_size
    from slots
),

groups_of_clients as (
    select distinct
        plan_id,
        service_id,
        near_mask
    from groups_by_size
),

-- No float is added up in an order that threads decide.
near_by_hour as (
    select
        groups_of_clients.plan_id,
        groups_of_clients.service_id,
        groups_of_clients.near_mask,
        hours.hour_bin,
        sum(cast((1.0 - hours.astray_share) * hours.peak_rps as decimal(38, 15))) as near_rps
    from groups_of_clients
    inner join hours
        on groups_of_clients.plan_id = hours.plan_id
        and groups_of_clients.service_id = hours.service_id
        and (groups_of_clients.near_mask & hours.client_bit) > 0
    group by
        groups_of_clients.plan_id,
        groups_of_clients.service_id,
        groups_of_clients.near_mask,
        hours.hour_bin
),

astray_by_hour as (
    select
        plan_id,
        service_id,
        hour_bin,
        sum(cast(astray_share * peak_rps as decimal(38, 15))) as astray_rps
    from hours
    group by
        plan_id,
        service_id,
        hour_bin
),

peaks as (
    select
        groups_by_size.plan_id,
        groups_by_size.service_id,
        groups_by_size.near_mask,
        groups_by_size.set_size,
        max(
            cast(coalesce(near_by_hour.near_rps, 0) as double)
            + cast(astray_by_hour.astray_rps as double) / groups_by_size.set_size
        ) as peak_rps
    from groups_by_size
    inner join astray_by_hour
        on groups_by_size.plan_id = astray_by_hour.plan_id
        and groups_by_size.service_id = astray_by_hour.service_id
    left join near_by_hour
        on groups_by_size.plan_id = near_by_hour.plan_id
        and groups_by_size.service_id = near_by_hour.service_id
        and groups_by_size.near_mask = near_by_hour.near_mask
        and astray_by_hour.hour_bin = near_by_hour.hour_bin
    group by
        groups_by_size.plan_id,
        groups_by_size.service_id,
        groups_by_size.near_mask,
        groups_by_size.set_size
),

final as (
    select
        slots.plan_id,
        slots.service_id,
        slots.set_mask,
        slots.region_id,
        peaks.peak_rps
    from slots
    inner join peaks
        on slots.plan_id = peaks.plan_id
        and slots.service_id = peaks.service_id
        and slots.near_mask = peaks.near_mask
        and slots.set_size = peaks.set_size
)

select * from final
