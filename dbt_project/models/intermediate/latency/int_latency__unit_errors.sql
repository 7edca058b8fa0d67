with

estimates as (
    select * from {{ ref('int_latency__estimates') }}
),

judged as (
    select * from {{ ref('stg_raw__service_placement__judged') }}
    where rejected_rule is null
),

-- Where physics itself is off for a service, every row disagrees alike: that is no wrong unit.
usual as (
    select
        service_id,
        median(ln(observed_ms / phys_ms)) as log_ratio
    from estimates
    where is_training and observed_ms > 0
    group by service_id
),

-- Real moves change latency several-fold, a wrong unit a thousandfold. Physics knows about moves.
suspected as (
    select
        estimates.service_id,
        estimates.region_id,
        estimates.placed_on,
        estimates.observed_ms,
        estimates.phys_ms
    from estimates
    left join usual
        on estimates.service_id = usual.service_id
    where
        estimates.observed_ms > 0
        and abs(ln(estimates.observed_ms / estimates.phys_ms)) > ln({{ var('unit_error_ratio') }})
        and abs(ln(estimates.observed_ms / estimates.phys_ms) - coalesce(usual.log_ratio, 0))
        > ln({{ var('unit_error_ratio') }})
),

final as (
    select
        judged.service_id,
        judged.region_id,
        judged.placed_on,
        judged.file_name,
        judged.line_number,
        judged.observed_ms,
        suspected.phys_ms,
        {{ json_of({
            'service_id': 'judged.service_id',
            'region': 'judged.region_id',
            'day': 'judged.placed_on',
            'instances': 'judged.instances',
            'avg_latency_ms': 'judged.observed_ms',
            'p95_latency_ms': 'judged.p95_ms',
            'p99_latency_ms': 'judged.p99_ms',
            'error_rate': 'judged.error_rate',
            'requests_served': 'judged.requests_served',
            'cpu_utilization': 'judged.cpu_utilization',
            'cost_usd': 'judged.billed_usd',
            'expected_ms': 'suspected.phys_ms',
        }) }} as original_values
    from suspected
    inner join judged
        on suspected.service_id = judged.service_id
        and suspected.region_id = judged.region_id
        and suspected.placed_on = judged.placed_on
)

select * from final
