with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

plans as (
    select plans.*
    from {{ ref('int_certificate__plans') }} as plans
    inner join problem
        on plans.plan_id = problem.plan_id
),

present as (
    select
        service_id,
        others_usd
    from plans
    where is_chosen
),

-- Taken over from the optimiser, which moved the service there alone and saw another's rule break,
-- or what it costs elsewhere: whole instances of callees, calls that become the slowest.
elsewhere as (
    select
        listed.service_id,
        listed.set_number,
        cast(sum(regions.region_bit) as bigint) as set_mask,
        max(case when listed.is_closed then 1 else 0 end) = 1 as is_closed,
        max(listed.elsewhere_micro_usd) as micro_usd
    from {{ ref('stg_ml__placement_certificate_elsewhere') }} as listed
    inner join {{ ref('int_certificate__regions') }} as regions
        on listed.region_id = regions.region_id
    group by
        listed.service_id,
        listed.set_number
),

judged as (
    select
        plans.*,
        coalesce(elsewhere.is_closed, false) as is_closed,
        coalesce(elsewhere.micro_usd, 0) as elsewhere_micro_usd,
        plans.is_allowed and not coalesce(elsewhere.is_closed, false) as is_candidate
    from plans
    left join elsewhere
        on plans.service_id = elsewhere.service_id
        and plans.set_mask = elsewhere.set_mask
),

moves as (
    select coalesce(max(dual), 0) as dual
    from {{ ref('stg_ml__placement_duals') }}
    where row_kind = 'moves'
),

-- A service that nothing fits, that has nothing to do or that is held keeps its regions.
stays as (
    select
        services.service_id,
        services.is_staying as is_bound_to_stay,
        services.is_staying
        or max(case when judged.is_candidate then 1 else 0 end) = 0 as is_staying
    from {{ ref('int_certificate__services') }} as services
    inner join judged
        on services.service_id = judged.service_id
    group by
        services.service_id,
        services.is_staying
),

-- What others pay counts against what they pay in the plan; whole micro-dollars before any sum.
valued as (
    select
        judged.service_id,
        judged.is_closed,
        judged.elsewhere_micro_usd,
        cast(round((judged.cost_usd + (judged.others_usd - present.others_usd)) * 1e6) as bigint)
            as cost_micro_usd,
        cast(judged.regions_added * moves.dual * 1e6 as decimal(38, 9)) as moves_micro_usd,
        cast(judged.rent_usd * 1e6 as decimal(38, 9)) as rent_micro_usd,
        case when stays.is_staying then judged.is_home else judged.is_candidate end as is_open,
        judged.is_chosen,
        judged.is_allowed and not stays.is_bound_to_stay as is_open_alone
    from judged
    cross join moves
    inner join stays
        on judged.service_id = stays.service_id
    inner join present
        on judged.service_id = present.service_id
),

final as (
    select
        service_id,
        count(*) as sets_evaluated,
        sum(case when is_open then 1 else 0 end) as sets_open,
        sum(case when is_closed then 1 else 0 end) as sets_closed,
        max(case when is_chosen and is_open then 1 else 0 end) = 1 as is_chosen_open,
        max(case when is_chosen then cost_micro_usd end) as chosen_micro_usd,
        min(
            case
                when is_open
                    then cost_micro_usd + elsewhere_micro_usd + moves_micro_usd + rent_micro_usd
            end
        ) as least_micro_usd,
        -- As if nothing happened elsewhere: what is left when nothing is taken over.
        min(
            case
                when is_open or is_open_alone then cost_micro_usd + moves_micro_usd + rent_micro_usd
            end
        ) as least_alone_micro_usd
    from valued
    group by service_id
)

select * from final
