{%- set layers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] %}

with

inputs as (
    select * from {{ ref('int_latency__inputs') }}
),

waited_calls as (
    select * from {{ ref('int_graph__calls') }}
    where not is_broken and not is_async
),

client_shares as (
    select * from {{ ref('int_load__client_shares') }}
),

-- Callees before callers: a caller waits for what its callees need in the regions they run in.
{% for layer in layers -%}
rows_{{ layer }} as (
    select * from inputs
    where layer = {{ layer }}
),

{% if not loop.first -%}
waits_{{ layer }} as (
    select
        rows_{{ layer }}.service_id,
        rows_{{ layer }}.region_id,
        rows_{{ layer }}.placed_on,
        waited_calls.stage,
        waited_calls.callee_service_id,
        waited_calls.latency_factor * {{ exact_sum(
            'client_shares.share * (client_shares.rtt_ms + callees.internal_ms)'
        ) }} as full_ms,
        waited_calls.latency_factor * {{ exact_sum(
            'client_shares.share * (client_shares.rtt_ms + callees.dep_rtt_ms)'
        ) }} as rtt_ms
    from rows_{{ layer }}
    inner join waited_calls
        on rows_{{ layer }}.service_id = waited_calls.caller_service_id
    inner join client_shares
        on waited_calls.callee_service_id = client_shares.service_id
        and rows_{{ layer }}.region_id = client_shares.client_id
        and rows_{{ layer }}.placed_on = client_shares.placed_on
    inner join below_{{ layer }} as callees
        on client_shares.service_id = callees.service_id
        and client_shares.region_id = callees.region_id
        and client_shares.placed_on = callees.placed_on
    group by
        rows_{{ layer }}.service_id,
        rows_{{ layer }}.region_id,
        rows_{{ layer }}.placed_on,
        waited_calls.stage,
        waited_calls.callee_service_id,
        waited_calls.latency_factor
),

stages_{{ layer }} as (
    select
        service_id,
        region_id,
        placed_on,
        stage,
        max(full_ms) as full_ms,
        max(rtt_ms) as rtt_ms
    from waits_{{ layer }}
    group by
        service_id,
        region_id,
        placed_on,
        stage
),

dependencies_{{ layer }} as (
    select
        service_id,
        region_id,
        placed_on,
        {{ exact_sum('full_ms') }} as dep_full_ms,
        {{ exact_sum('rtt_ms') }} as dep_rtt_ms
    from stages_{{ layer }}
    group by
        service_id,
        region_id,
        placed_on
),

{% endif -%}
{% if loop.first -%}
explained_{{ layer }} as (
    select
        rows_{{ layer }}.*,
        cast(0 as double) as dep_full_ms,
        cast(0 as double) as dep_rtt_ms
    from rows_{{ layer }}
),
{%- else -%}
explained_{{ layer }} as (
    select
        rows_{{ layer }}.*,
        coalesce(dependencies_{{ layer }}.dep_full_ms, 0) as dep_full_ms,
        coalesce(dependencies_{{ layer }}.dep_rtt_ms, 0) as dep_rtt_ms
    from rows_{{ layer }}
    left join dependencies_{{ layer }}
        on rows_{{ layer }}.service_id = dependencies_{{ layer }}.service_id
        and rows_{{ layer }}.region_id = dependencies_{{ layer }}.region_id
        and rows_{{ layer }}.placed_on = dependencies_{{ layer }}.placed_on
),
{%- endif %}

warm_{{ layer }} as (
    select
        service_id,
        min(template) as template,
        {{ own_base('observed_ms - rtt_w_ms - demand_ms - q_hat_ms - dep_full_ms') }} as base_ms
    from explained_{{ layer }}
    where is_training and observed_ms is not null
    group by service_id
),

warm_up_to_{{ layer }} as (
    {% if not loop.first -%}
    select * from warm_up_to_{{ layer - 1 }}

    union all

    {% endif -%}
    select * from warm_{{ layer }}
),

-- A service without history starts at the median of its kind, else of everybody below it.
kinds_{{ layer }} as (
    select
        template,
        median(base_ms) as base_ms
    from warm_up_to_{{ layer }}
    group by template
),

everybody_{{ layer }} as (
    select median(base_ms) as base_ms from warm_up_to_{{ layer }}
),

estimated_{{ layer }} as (
    select
        explained_{{ layer }}.*,
        coalesce(
            warm_{{ layer }}.base_ms, kinds_{{ layer }}.base_ms, everybody_{{ layer }}.base_ms, 0
        ) as base_hat_ms
    from explained_{{ layer }}
    left join warm_{{ layer }}
        on explained_{{ layer }}.service_id = warm_{{ layer }}.service_id
    left join kinds_{{ layer }}
        on explained_{{ layer }}.template = kinds_{{ layer }}.template
    cross join everybody_{{ layer }}
),

below_{{ layer + 1 }} as (
    {% if not loop.first -%}
    select * from below_{{ layer }}

    union all

    {% endif -%}
    select
        *,
        demand_ms + q_hat_ms + dep_full_ms + base_hat_ms as internal_ms
    from estimated_{{ layer }}
),

{% endfor -%}
final as (
    select
        service_id,
        region_id,
        placed_on,
        is_training,
        observed_ms,
        layer,
        template,
        n_regions,
        rtt_w_ms,
        demand_ms,
        rho,
        rho_max,
        q_hat_ms,
        q_w95_ms,
        dep_rtt_ms,
        dep_full_ms,
        base_hat_ms,
        internal_ms,
        internal_ms + rtt_w_ms as phys_ms
    from below_{{ layers[-1] + 1 }}
)

select * from final
