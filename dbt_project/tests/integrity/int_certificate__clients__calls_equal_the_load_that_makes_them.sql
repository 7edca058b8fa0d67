{#-
What does it check?    The calls that reach a service from a region are the load its callers serve there times their
                       calls per request: on average, at every hour's peak, awaited ones, and by size.
When does it matter?   Call flows are given to the derivation. Where every service's follow from its callers', all
                       follow from the users and the plan, because the graph has no cycle.
How is it resolved?    Find the caller of the service named; fleet flows and int_certificate__slots disagree on its load.
-#}
with

chosen as (
    select * from {{ ref('int_certificate__service_sets') }}
    where is_chosen
),

calls as (
    select * from {{ ref('feat_placement__calls') }}
    where not is_broken and calls_per_request > 0
),

served as (
    select
        slots.plan_id,
        slots.service_id,
        slots.region_id,
        slots.mean_rps
    from {{ ref('int_certificate__slots') }} as slots
    inner join chosen
        on slots.plan_id = chosen.plan_id
        and slots.service_id = chosen.service_id
        and slots.set_mask = chosen.set_mask
),

served_by_hour as (
    select
        chosen.plan_id,
        chosen.service_id,
        routes.region_id,
        hours.hour_bin,
        {{ exact_sum('(routes.astray_share / routes.set_size + case when routes.is_near'
            ~ ' then 1.0 - routes.astray_share else 0 end) * hours.peak_rps', 15) }} as peak_rps
    from chosen
    inner join {{ ref('int_certificate__routes') }} as routes
        on chosen.set_mask = routes.set_mask
    inner join {{ ref('int_certificate__client_hours') }} as hours
        on chosen.plan_id = hours.plan_id
        and chosen.service_id = hours.service_id
        and routes.client_id = hours.client_id
        and routes.is_caller = hours.is_caller
    group by
        chosen.plan_id,
        chosen.service_id,
        routes.region_id,
        hours.hour_bin
),

expected as (
    {%- for name, factor in [
        ('calls_rps', '1.0'),
        ('awaited_rps', 'case when coalesce(calls.is_async, false) then 0.0 else 1.0 end'),
        ('request_kb_per_second', 'coalesce(calls.request_kb, 0)'),
        ('response_kb_per_second', 'coalesce(calls.response_kb, 0)')] %}
    select
        served.plan_id,
        calls.callee_service_id as service_id,
        served.region_id,
        '{{ name }}' as flow,
        {{ exact_sum('calls.calls_per_request * served.mean_rps * (' ~ factor ~ ')', 15) }}
            as expected_value
    from calls
    inner join served
        on calls.caller_service_id = served.service_id
    group by
        served.plan_id,
        calls.callee_service_id,
        served.region_id
    union all
    {%- endfor %}
    select
        served_by_hour.plan_id,
        calls.callee_service_id as service_id,
        served_by_hour.region_id,
        'peak in bin ' || served_by_hour.hour_bin as flow,
        {{ exact_sum('calls.calls_per_request * served_by_hour.peak_rps', 15) }} as expected_value
    from calls
    inner join served_by_hour
        on calls.caller_service_id = served_by_hour.service_id
    group by
        served_by_hour.plan_id,
        calls.callee_service_id,
        served_by_hour.region_id,
        served_by_hour.hour_bin
),

given as (
    {%- for name in ['calls_rps', 'awaited_rps', 'request_kb_per_second', 'response_kb_per_second'] %}
    select
        plan_id,
        service_id,
        region_id,
        '{{ name }}' as flow,
        {{ name }} as given_value
    from {{ ref('stg_ml__placement_certificate_clients') }}
    union all
    {%- endfor %}
    select
        plan_id,
        service_id,
        region_id,
        'peak in bin ' || hour_bin as flow,
        peak_rps as given_value
    from {{ ref('stg_ml__placement_certificate_client_hours') }}
),

-- Only where something was derived at all; a service outside the fleet calls nobody.
known as (
    select distinct
        plan_id,
        service_id
    from {{ ref('int_certificate__service_sets') }}
)

select
    known.plan_id,
    known.service_id,
    coalesce(expected.region_id, given.region_id) as region_id,
    coalesce(expected.flow, given.flow) as flow,
    expected.expected_value,
    given.given_value
from expected
full outer join given
    on expected.plan_id = given.plan_id
    and expected.service_id = given.service_id
    and expected.region_id = given.region_id
    and expected.flow = given.flow
inner join known
    on coalesce(expected.plan_id, given.plan_id) = known.plan_id
    and coalesce(expected.service_id, given.service_id) = known.service_id
-- Sums of floats on one side: nine digits have to agree.
where
    abs(coalesce(expected.expected_value, 0) - coalesce(given.given_value, 0))
    > 1e-9 * (1 + coalesce(expected.expected_value, 0))
