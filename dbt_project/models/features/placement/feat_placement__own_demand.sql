with

totals as (
    select * from {{ ref('feat_placement__service_origin_hours') }}
),

calls as (
    select * from {{ ref('int_graph__calls') }}
),

entries as (
    select service_id from {{ ref('int_demand__services') }}
    where is_entry
),

explained as (
    select
        calls.callee_service_id as service_id,
        totals.origin_id,
        totals.hour_of_week,
        {{ exact_sum('totals.mean_rps * calls.calls_per_request') }} as mean_rps
    from calls
    inner join totals
        on calls.caller_service_id = totals.service_id
    group by
        calls.callee_service_id,
        totals.origin_id,
        totals.hour_of_week
),

own as (
    select
        totals.service_id,
        totals.origin_id,
        totals.hour_of_week,
        totals.mean_rps as total_mean_rps,
        totals.q95_rps as total_q95_rps,
        greatest(0, totals.mean_rps - coalesce(explained.mean_rps, 0)) as mean_rps
    from totals
    inner join entries
        on totals.service_id = entries.service_id
    left join explained
        on totals.service_id = explained.service_id
        and totals.origin_id = explained.origin_id
        and totals.hour_of_week = explained.hour_of_week
),

final as (
    select
        service_id,
        origin_id,
        hour_of_week,
        cast(mean_rps as double) as mean_rps,
        -- Users' own part swings as the whole does: nothing finer is known.
        cast(
            case when total_mean_rps > 0 then mean_rps * total_q95_rps / total_mean_rps else 0 end
            as double
        ) as q95_rps
    from own
)

select * from final
