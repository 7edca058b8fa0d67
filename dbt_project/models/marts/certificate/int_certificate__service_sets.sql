with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

services as (
    select * from {{ ref('int_certificate__services') }}
),

sets as (
    select distinct
        set_mask,
        set_size
    from {{ ref('int_certificate__set_regions') }}
),

-- Sets below a service's minimum stay: they are what a loss leaves of larger ones.
wanted as (
    select
        problem.plan_id,
        services.service_id,
        services.home_mask,
        sets.set_mask,
        sets.set_size
    from services
    cross join problem
    inner join sets
        on (sets.set_mask & services.open_mask) = sets.set_mask
        or (sets.set_mask & services.home_mask) = sets.set_mask

    union all

    select
        problem.current_plan_id as plan_id,
        services.service_id,
        services.home_mask,
        sets.set_mask,
        sets.set_size
    from services
    cross join problem
    inner join sets
        on (sets.set_mask & services.home_mask) = sets.set_mask
),

chosen as (
    select
        placed.plan_id,
        placed.service_id,
        cast(sum(regions.region_bit) as bigint) as set_mask
    from {{ ref('stg_ml__placement_plans') }} as placed
    inner join {{ ref('int_certificate__regions') }} as regions
        on placed.region_id = regions.region_id
    group by
        placed.plan_id,
        placed.service_id
),

final as (
    select
        wanted.plan_id,
        wanted.service_id,
        wanted.set_mask,
        wanted.set_size,
        wanted.home_mask = wanted.set_mask as is_home,
        chosen.set_mask is not null as is_chosen
    from wanted
    left join chosen
        on wanted.plan_id = chosen.plan_id
        and wanted.service_id = chosen.service_id
        and wanted.set_mask = chosen.set_mask
)

select * from final
