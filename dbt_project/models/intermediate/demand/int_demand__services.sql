with

services as (
    select * from {{ ref('int_placement__services') }}
),

own_days as (
    select * from {{ ref('int_demand__own_days') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

placed as (
    select distinct days.service_id
    from {{ ref('int_placement__service_region_days') }} as days
    inner join the_window
        on days.placed_on = the_window.last_on
),

summed as (
    select
        service_id,
        bool_or(is_entry) as is_entry,
        max(user_share) as user_share,
        {{ exact_sum('requests', 6) }} as requests,
        count(distinct observed_on) as days_seen
    from own_days
    group by service_id
),

final as (
    select
        services.service_id,
        coalesce(summed.is_entry, false) as is_entry,
        coalesce(summed.user_share, 0) as user_share,
        coalesce(summed.requests / summed.days_seen / 86400, 0) as mean_rps,
        coalesce(summed.days_seen, 0) as days_seen,
        placed.service_id is not null as is_active
    from services
    left join summed
        on services.service_id = summed.service_id
    left join placed
        on services.service_id = placed.service_id
)

select * from final
