with

daily as (
    select * from {{ ref('int_demand__service_origin_days') }}
),

calls as (
    select * from {{ ref('int_graph__calls') }}
),

-- What callers explain: their requests times calls per request, same users, same day.
explained as (
    select
        calls.callee_service_id as service_id,
        daily.origin_id,
        daily.observed_on,
        {{ exact_sum('daily.requests * calls.calls_per_request', 6) }} as requests
    from calls
    inner join daily
        on calls.caller_service_id = daily.service_id
    group by
        calls.callee_service_id,
        daily.origin_id,
        daily.observed_on
),

compared as (
    select
        daily.service_id,
        daily.origin_id,
        daily.observed_on,
        cast(daily.requests as double) as requests,
        daily.requests - coalesce(explained.requests, 0) as unexplained_requests
    from daily
    left join explained
        on daily.service_id = explained.service_id
        and daily.origin_id = explained.origin_id
        and daily.observed_on = explained.observed_on
),

-- Over the whole window counting noise cancels; a remainder means that users call it directly.
shares as (
    select
        service_id,
        {{ exact_sum('unexplained_requests', 6) }} / nullif({{ exact_sum('requests', 6) }}, 0)
            as unexplained_share
    from compared
    group by service_id
),

final as (
    select
        compared.service_id,
        compared.origin_id,
        compared.observed_on,
        compared.requests,
        case
            when shares.unexplained_share > {{ var('own_demand_share') }}
                then greatest(0, compared.unexplained_requests)
            else 0
        end as own_requests,
        coalesce(shares.unexplained_share > {{ var('own_demand_share') }}, false) as is_entry,
        case
            when shares.unexplained_share > {{ var('own_demand_share') }}
                then least(1, shares.unexplained_share)
            else 0
        end as user_share
    from compared
    inner join shares
        on compared.service_id = shares.service_id
)

select * from final
