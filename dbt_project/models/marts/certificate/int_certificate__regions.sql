with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

banned as (
    select scope as region_id
    from {{ ref('stg_ml__placement_certificate_parameters') }}
    where name = 'banned_regions'
),

duals as (
    select * from {{ ref('stg_ml__placement_duals') }}
    where row_kind = 'capacity_vcpu'
),

numbered as (
    select
        regions.*,
        row_number() over (order by regions.region_id) - 1 as region_number
    from {{ ref('feat_placement__regions') }} as regions
    inner join problem
        on problem.skipped_because is null
),

final as (
    select
        numbered.region_id,
        numbered.region_number,
        cast(power(2, numbered.region_number) as bigint) as region_bit,
        cast(numbered.vcpu_hour_usd as double) as vcpu_usd,
        cast(numbered.memory_gb_hour_usd as double) as memory_usd,
        coalesce(cast(numbered.egress_internet_usd_per_gb as double), 0) as user_egress_usd_per_gb,
        numbered.capacity_vcpu,
        coalesce(duals.dual, 0) as capacity_dual,
        banned.region_id is null
        and numbered.vcpu_hour_usd is not null
        and numbered.memory_gb_hour_usd is not null as is_usable
    from numbered
    left join banned
        on numbered.region_id = banned.region_id
    left join duals
        on numbered.region_id = duals.region_id
)

select * from final
