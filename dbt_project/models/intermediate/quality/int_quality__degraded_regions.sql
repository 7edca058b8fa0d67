with

regions as (
    select * from {{ ref('int_network__regions') }}
),

pairs as (
    select * from {{ ref('int_network__pairs') }}
),

egress as (
    select * from {{ ref('int_cost__egress_pairs') }}
),

-- Regions without a single measured neighbour; single missing pairs are counted for the fleet.
unmeasured as (
    select
        region_id,
        count(*) as pairs
    from pairs
    where client_is_region and client_id <> region_id
    group by region_id
    having min(case when is_distance_fallback then 1 else 0 end) = 1
),

unpriced as (
    select
        source_region_id as region_id,
        {{ list_of('target_region_id') }} as targets
    from egress
    where is_egress_default
    group by source_region_id
),

final as (
    select
        'CAPACITY_OFF' as code,
        region_id,
        'no capacity is known: it does not limit placements' as detail
    from regions
    where capacity_vcpu is null

    union all

    select
        'CARBON_OFF' as code,
        region_id,
        'no grid intensity is known: carbon is not counted' as detail
    from regions
    where carbon_g_per_kwh is null

    union all

    select
        'DISTANCE_FALLBACK' as code,
        region_id,
        concat('none of its ', pairs, ' neighbours has a measured round trip') as detail
    from unmeasured

    union all

    select
        'EGRESS_DEFAULT' as code,
        region_id,
        concat('default transfer price to ', targets) as detail
    from unpriced
)

select * from final
