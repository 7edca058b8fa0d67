with

places as (
    select * from {{ ref('int_network__places') }}
),

windows as (
    select * from {{ ref('int_network__rtt_windows') }}
),

-- Measured windows first; a given estimate only where nothing was measured.
measured as (
    select
        client_id,
        region_id,
        median(rtt_ms) as rtt_ms,
        median(p95_rtt_ms) as p95_rtt_ms,
        min(rtt_source) as rtt_source
    from windows
    where rtt_source <> 'distance'
    group by
        client_id,
        region_id
),

estimated as (
    select
        client_id,
        region_id,
        median(rtt_ms) as rtt_ms
    from windows
    where rtt_source = 'distance'
    group by
        client_id,
        region_id
),

typical as (
    select median(rtt_ms) as rtt_ms
    from measured
    where client_id <> region_id
),

pairs as (
    select
        clients.place_id as client_id,
        regions.place_id as region_id,
        clients.is_region as client_is_region,
        {{ great_circle_km(
            'clients.latitude', 'clients.longitude', 'regions.latitude', 'regions.longitude'
        ) }} as distance_km
    from places as clients
    inner join places as regions
        on regions.is_region
    where clients.is_region or clients.is_origin
),

-- Light on the shortest path, lengthened by how far real routes wander.
fallen_back as (
    select
        pairs.*,
        case
            when pairs.client_id = pairs.region_id then {{ var('intra_region_rtt_ms') }}
            else greatest(
                {{ var('intra_region_rtt_ms') }},
                2 * pairs.distance_km / {{ var('distance_km_per_ms') }} * {{ var('distance_stretch') }}
            )
        end as distance_rtt_ms
    from pairs
),

final as (
    select
        fallen_back.client_id,
        fallen_back.region_id,
        fallen_back.client_is_region,
        fallen_back.distance_km,
        coalesce(
            direct.rtt_ms, reverse_way.rtt_ms, estimated.rtt_ms, fallen_back.distance_rtt_ms,
            -- No coordinates either: as far as a typical pair.
            typical.rtt_ms, 2 * 5000 / {{ var('distance_km_per_ms') }} * {{ var('distance_stretch') }}
        ) as rtt_ms,
        coalesce(direct.p95_rtt_ms, reverse_way.p95_rtt_ms) as p95_rtt_ms,
        coalesce(direct.rtt_source, reverse_way.rtt_source, 'distance') as rtt_source,
        direct.rtt_ms is null and reverse_way.rtt_ms is null as is_distance_fallback,
        direct.rtt_ms is null and reverse_way.rtt_ms is not null as is_other_direction
    from fallen_back
    left join measured as direct
        on fallen_back.client_id = direct.client_id
        and fallen_back.region_id = direct.region_id
    left join measured as reverse_way
        on fallen_back.client_id = reverse_way.region_id
        and fallen_back.region_id = reverse_way.client_id
    left join estimated
        on fallen_back.client_id = estimated.client_id
        and fallen_back.region_id = estimated.region_id
    cross join typical
)

select * from final
