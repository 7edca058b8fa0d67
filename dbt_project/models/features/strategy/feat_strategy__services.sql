with

cuts as (
    select * from {{ ref('int_demand__cuts') }}
),

shares as (
    select * from {{ ref('int_demand__cut_shares') }}
),

service_days as (
    select * from {{ ref('int_demand__service_days') }}
),

origins as (
    select * from {{ ref('int_network__places') }}
),

pairs as (
    select * from {{ ref('int_network__pairs') }}
),

services as (
    select * from {{ ref('int_latency__services') }}
),

placements as (
    select * from {{ ref('int_placement__services') }}
),

allowed as (
    select * from {{ ref('feat_placement__service_regions') }}
    where is_allowed
),

levels as (
    select
        service_days.service_id,
        cuts.cut_on,
        cuts.has_next_14_days,
        cast(sum(service_days.requests) as double) / sum(service_days.hours_seen) / 3600 as mean_rps,
        {{ exact_sum('service_days.squared_rps', 6) }} / sum(service_days.hours_seen) as mean_square
    from service_days
    inner join cuts
        on service_days.observed_on <= cuts.cut_on
        and service_days.observed_on > {{ dbt.dateadd('day', -28, 'cuts.cut_on') }}
    group by
        service_days.service_id,
        cuts.cut_on,
        cuts.has_next_14_days
),

mixes as (
    select
        shares.service_id,
        shares.cut_on,
        -- A single origin has no entropy, not minus zero.
        abs({{ exact_sum('shares.share * ln(shares.share)') }}) as origin_entropy,
        {{ exact_sum("case when origins.continent = 'AF' then shares.share else 0 end") }} as share_af,
        {{ exact_sum("case when origins.continent = 'AN' then shares.share else 0 end") }} as share_an,
        {{ exact_sum("case when origins.continent = 'AS' then shares.share else 0 end") }} as share_as,
        {{ exact_sum("case when origins.continent = 'EU' then shares.share else 0 end") }} as share_eu,
        {{ exact_sum("case when origins.continent = 'NA' then shares.share else 0 end") }} as share_na,
        {{ exact_sum("case when origins.continent = 'OC' then shares.share else 0 end") }} as share_oc,
        {{ exact_sum("case when origins.continent = 'SA' then shares.share else 0 end") }} as share_sa,
        max(shares.share) as largest_origin_share
    from shares
    inner join origins
        on shares.origin_id = origins.place_id
    group by
        shares.service_id,
        shares.cut_on
),

single_regions as (
    select
        shares.service_id,
        shares.cut_on,
        allowed.region_id,
        {{ exact_sum('shares.share * pairs.rtt_ms') }} as rtt_ms
    from shares
    inner join allowed
        on shares.service_id = allowed.service_id
    inner join pairs
        on shares.origin_id = pairs.client_id
        and allowed.region_id = pairs.region_id
    group by
        shares.service_id,
        shares.cut_on,
        allowed.region_id
),

best_single as (
    select
        service_id,
        cut_on,
        min(rtt_ms) as best_single_rtt_ms
    from single_regions
    group by
        service_id,
        cut_on
),

final as (
    select
        levels.service_id,
        levels.cut_on,
        ln(levels.mean_rps) as log_demand,
        mixes.origin_entropy,
        mixes.largest_origin_share,
        best_single.best_single_rtt_ms,
        services.cpu_cores,
        services.memory_mb,
        services.is_latency_critical,
        services.demand_ms,
        sqrt(greatest(0, levels.mean_square - levels.mean_rps * levels.mean_rps))
        / levels.mean_rps as demand_variation,
        cast(services.out_degree as int) as out_degree,
        cast(placements.tier as int) as tier,
        mixes.share_af,
        mixes.share_an,
        mixes.share_as,
        mixes.share_eu,
        mixes.share_na,
        mixes.share_oc,
        mixes.share_sa,
        levels.has_next_14_days
    from levels
    inner join mixes
        on levels.service_id = mixes.service_id
        and levels.cut_on = mixes.cut_on
    inner join services
        on levels.service_id = services.service_id
    inner join placements
        on levels.service_id = placements.service_id
    left join best_single
        on levels.service_id = best_single.service_id
        and levels.cut_on = best_single.cut_on
    where levels.mean_rps > 0
)

select * from final
