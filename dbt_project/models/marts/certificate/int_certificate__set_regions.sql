with recursive

regions as (
    select * from {{ ref('int_certificate__regions') }}
),

problem as (
    select * from {{ ref('int_certificate__problem') }}
),

-- Every set up to the cap, once: regions join in the order of their numbers.
proposed as (
    select
        regions.region_bit as set_mask,
        regions.region_number as last_number,
        1 as set_size,
        problem.max_regions_cap as largest_size
    from regions
    cross join problem

    union all

    select
        proposed.set_mask + regions.region_bit as set_mask,
        regions.region_number as last_number,
        proposed.set_size + 1 as set_size,
        proposed.largest_size
    from proposed
    inner join regions
        on proposed.last_number < regions.region_number
    where proposed.set_size < proposed.largest_size
),

-- A larger set that runs today may stay, and each loss of one of its regions has to be survived.
larger as (
    select
        services.home_mask as set_mask,
        services.home_regions as set_size,
        problem.max_regions_cap as largest_size
    from {{ ref('int_certificate__services') }} as services
    cross join problem
    where services.home_regions > problem.max_regions_cap

    union

    select
        larger.set_mask - regions.region_bit as set_mask,
        larger.set_size - 1 as set_size,
        larger.largest_size
    from larger
    inner join regions
        on (larger.set_mask & regions.region_bit) > 0
    where larger.set_size - 1 > larger.largest_size
),

sets as (
    select
        set_mask,
        set_size
    from proposed

    union all

    select
        set_mask,
        set_size
    from larger
),

final as (
    select
        sets.set_mask,
        regions.region_id,
        sets.set_size,
        regions.region_bit
    from sets
    inner join regions
        on (sets.set_mask & regions.region_bit) > 0
)

select * from final
