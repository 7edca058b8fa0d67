with

pairs as (
    select * from {{ ref('int_network__pairs') }}
),

egress as (
    select * from {{ ref('int_cost__egress_pairs') }}
),

regions as (
    select * from {{ ref('int_network__regions') }}
),

final as (
    select
        pairs.client_id,
        pairs.region_id,
        pairs.client_is_region,
        pairs.rtt_ms,
        pairs.p95_rtt_ms,
        pairs.rtt_source,
        pairs.is_distance_fallback,
        -- From the serving region to its client; users outside a region cost internet transfer.
        cast(coalesce(egress.egress_usd_per_gb, regions.egress_internet_usd_per_gb) as decimal(18, 6))
            as egress_usd_per_gb,
        coalesce(egress.is_egress_default, regions.is_internet_egress_default) as is_egress_default
    from pairs
    inner join regions
        on pairs.region_id = regions.region_id
    left join egress
        on pairs.region_id = egress.source_region_id
        and pairs.client_id = egress.target_region_id
)

select * from final
