{#-
What does it check?    What the bound is told about calls follows from the plan, one call at a time: the time a request
                       spends on calls and its variance, what callers' clients lose by a slower answer, what a request
                       costs further on.
When does it matter?   These prices stand for all other services when one is judged; a wrong one moves the bound.
How is it resolved?    The quantity named is given by placement_certificate_onward or _clients for the service and
                       region; start with the callee whose own quantities are right.
-#}
with

calls as (
    select
        listed.caller_service_id,
        listed.callee_service_id,
        listed.calls_per_request,
        coalesce(
            learned.latency_factor, listed.latency_factor, least(listed.calls_per_request, 1.0)
        ) as answers_awaited,
        coalesce(listed.stage, 1) as stage_number,
        coalesce(listed.request_kb, 0) as request_kb,
        coalesce(listed.response_kb, 0) as response_kb,
        not coalesce(listed.is_async, false) as is_awaited
    from {{ ref('feat_placement__calls') }} as listed
    inner join {{ ref('int_certificate__services') }} as callers
        on listed.caller_service_id = callers.service_id
    left join {{ ref('stg_ml__latency_calls') }} as learned
        on listed.caller_service_id = learned.caller_service_id
        and listed.callee_service_id = learned.callee_service_id
    where not listed.is_broken and listed.calls_per_request > 0
),

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

answers as (
    select * from {{ ref('int_certificate__answers') }}
),

-- Of several equally slow calls only the first of a stage counts.
timed as (
    select
        calls.*,
        answers.plan_id,
        answers.region_id,
        calls.answers_awaited * answers.answer_ms as call_ms,
        -- A call that some requests do not make varies like a coin as well.
        case
            when calls.answers_awaited < 1 and calls.calls_per_request < 1
                then
                    calls.answers_awaited
                    * (answers.answer_variance_ms2 + answers.answer_ms * answers.answer_ms)
                    - power(calls.answers_awaited * answers.answer_ms, 2)
            else power(calls.answers_awaited, 2) * answers.answer_variance_ms2
        end as call_variance_ms2,
        row_number() over (
            partition by
                answers.plan_id, calls.caller_service_id, answers.region_id, calls.stage_number
            order by calls.answers_awaited * answers.answer_ms desc, calls.callee_service_id
        ) as slowness
    from calls
    inner join answers
        on calls.callee_service_id = answers.service_id
    where calls.is_awaited
),

onward as (
    select
        answers.plan_id,
        calls.caller_service_id as service_id,
        answers.region_id,
        {{ exact_sum(
            'calls.calls_per_request * (3600.0 * 1e-6 * (calls.request_kb * answers.sent_usd_per_gb'
            ~ ' + calls.response_kb * answers.returned_usd_per_gb) + answers.served_usd_per_rps'
            ~ ' + case when calls.is_awaited'
            ~ ' then 3600.0 * services.usd_per_request_ms * answers.answer_ms else 0 end)', 15) }}
            as derived_value
    from calls
    inner join answers
        on calls.callee_service_id = answers.service_id
    inner join problem
        on answers.plan_id = problem.plan_id
    inner join {{ ref('int_certificate__services') }} as services
        on calls.callee_service_id = services.service_id
    group by
        answers.plan_id,
        calls.caller_service_id,
        answers.region_id
),

derived as (
    select
        plan_id,
        caller_service_id as service_id,
        region_id,
        'calls_ms' as quantity,
        {{ exact_sum('call_ms', 15) }} as derived_value
    from timed
    where slowness = 1
    group by
        plan_id,
        caller_service_id,
        region_id

    union all

    select
        plan_id,
        caller_service_id as service_id,
        region_id,
        'calls_variance_ms2' as quantity,
        {{ exact_sum('call_variance_ms2', 15) }} as derived_value
    from timed
    where slowness = 1
    group by
        plan_id,
        caller_service_id,
        region_id

    union all

    select
        timed.plan_id,
        timed.callee_service_id as service_id,
        timed.region_id,
        'callers_usd_per_ms' as quantity,
        {{ exact_sum('timed.answers_awaited * coalesce(callers.waiting_usd_per_ms, 0)', 15) }}
            as derived_value
    from timed
    inner join problem
        on timed.plan_id = problem.plan_id
    inner join answers as callers
        on timed.plan_id = callers.plan_id
        and timed.caller_service_id = callers.service_id
        and timed.region_id = callers.region_id
    where timed.slowness = 1
    group by
        timed.plan_id,
        timed.callee_service_id,
        timed.region_id

    union all

    select
        plan_id,
        service_id,
        region_id,
        'onward_usd_per_rps' as quantity,
        derived_value
    from onward
),

given as (
    select
        plan_id,
        service_id,
        region_id,
        'calls_ms' as quantity,
        calls_ms as given_value
    from {{ ref('stg_ml__placement_certificate_onward') }}

    union all

    select
        plan_id,
        service_id,
        region_id,
        'calls_variance_ms2' as quantity,
        calls_variance_ms2 as given_value
    from {{ ref('stg_ml__placement_certificate_onward') }}

    union all

    select
        plan_id,
        service_id,
        region_id,
        'onward_usd_per_rps' as quantity,
        onward_usd_per_rps as given_value
    from {{ ref('stg_ml__placement_certificate_onward') }}
    where onward_usd_per_rps is not null

    union all

    select
        plan_id,
        service_id,
        region_id,
        'callers_usd_per_ms' as quantity,
        callers_usd_per_ms as given_value
    from {{ ref('stg_ml__placement_certificate_clients') }}
    where callers_usd_per_ms is not null
)

select
    coalesce(derived.plan_id, given.plan_id) as plan_id,
    coalesce(derived.service_id, given.service_id) as service_id,
    coalesce(derived.region_id, given.region_id) as region_id,
    coalesce(derived.quantity, given.quantity) as quantity,
    derived.derived_value,
    given.given_value
from derived
full outer join given
    on derived.plan_id = given.plan_id
    and derived.service_id = given.service_id
    and derived.region_id = given.region_id
    and derived.quantity = given.quantity
cross join problem
-- Sums of floats on one side: nine digits have to agree.
where
    abs(coalesce(derived.derived_value, 0) - coalesce(given.given_value, 0))
    > 1e-9 * (1e-3 + coalesce(derived.derived_value, 0))
