with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

services as (
    select * from {{ ref('feat_placement__services') }}
    where is_active
),

-- An hour in which a user's origin asks for nothing has no row, and counts as zero.
users as (
    select
        demand.service_id,
        demand.origin_id,
        {{ exact_sum('demand.mean_rps', 18) }} / problem.hours as mean_rps
    from {{ ref('feat_placement__own_demand') }} as demand
    cross join problem
    group by
        demand.service_id,
        demand.origin_id,
        problem.hours
),

callers as (
    select * from {{ ref('stg_ml__placement_certificate_clients') }}
),

plans as (
    select plan_id from problem
    union all
    select current_plan_id as plan_id from problem
),

final as (
    select
        plans.plan_id,
        services.service_id,
        users.origin_id as client_id,
        false as is_caller,
        users.mean_rps,
        users.mean_rps as awaited_rps,
        users.mean_rps * coalesce(services.request_kb, 0) as request_kb_per_second,
        users.mean_rps * coalesce(services.response_kb, 0) as response_kb_per_second,
        cast(0 as double) as callers_usd_per_ms
    from users
    inner join services
        on users.service_id = services.service_id
    cross join plans

    union all

    select
        callers.plan_id,
        callers.service_id,
        callers.region_id as client_id,
        true as is_caller,
        callers.calls_rps as mean_rps,
        callers.awaited_rps,
        callers.request_kb_per_second,
        callers.response_kb_per_second,
        coalesce(callers.callers_usd_per_ms, 0) as callers_usd_per_ms
    from callers
    inner join plans
        on callers.plan_id = plans.plan_id
)

select * from final
