with

source as (
    select * from {{ source('ml', 'placement_waves') }}
),

final as (
    select
        wave,
        services,
        regions_added,
        cost_usd_per_month,
        mean_latency_ms,
        n1_served_share,
        peak_capacity_share,
        fullest_region_id,
        newly_broken_services,
        temporary_services,
        temporary_usd_per_month
    from source
)

select * from final
