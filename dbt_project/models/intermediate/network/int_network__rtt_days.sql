with

windows as (
    select * from {{ ref('int_network__rtt_windows') }}
    where rtt_source <> 'distance'
),

measured as (
    select
        client_id,
        region_id,
        observed_on,
        median(rtt_ms) as rtt_ms
    from windows
    group by
        client_id,
        region_id,
        observed_on
),

-- A missing direction uses the other; only a region can be a target, so only regions turn round.
turned as (
    select
        measured.region_id as client_id,
        measured.client_id as region_id,
        measured.observed_on,
        measured.rtt_ms
    from measured
    inner join {{ ref('int_network__places') }} as places
        on measured.client_id = places.place_id
        and places.is_region
    left join measured as other_way
        on measured.region_id = other_way.client_id
        and measured.client_id = other_way.region_id
        and measured.observed_on = other_way.observed_on
    where other_way.client_id is null
),

final as (
    select
        client_id,
        region_id,
        observed_on,
        rtt_ms,
        false as is_other_direction
    from measured

    union all

    select
        client_id,
        region_id,
        observed_on,
        rtt_ms,
        true as is_other_direction
    from turned
)

select * from final
