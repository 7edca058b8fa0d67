with

pairs as (
    select * from {{ ref('feat_placement__region_pairs') }}
),

windows as (
    select * from {{ ref('int_network__rtt_windows') }}
),

traffic as (
    select * from {{ ref('int_network__corridor_traffic') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

sums as (
    select
        client_id,
        region_id,
        count(*) as windows_measured,
        min(observed_on) as first_measured_on,
        max(observed_on) as last_measured_on,
        min(rtt_ms) as min_rtt_ms,
        max(rtt_ms) as max_rtt_ms,
        {{ quantile_of('rtt_ms', 0.5) }} as median_rtt_ms,
        cast(sum(cast(rtt_ms as decimal(28, 9))) as double) / count(*) as mean_rtt_ms,
        cast(sum(cast(rtt_ms * rtt_ms as decimal(38, 9))) as double) as sum_of_squares,
        cast(sum(cast(rtt_ms as decimal(28, 9))) as double) as sum_of_values,
        count(p95_rtt_ms) as windows_with_p95
    from windows
    group by client_id, region_id
),

-- Sums of decimals, then one division: the same digits for any number of threads.
measured as (
    select
        *,
        case
            when windows_measured > 1
                then sqrt(greatest(
                    0.0,
                    (sum_of_squares - sum_of_values * sum_of_values / windows_measured)
                    / (windows_measured - 1)
                ))
        end as std_rtt_ms
    from sums
),

weighed as (
    select
        pairs.client_id,
        pairs.region_id,
        coalesce(traffic.user_requests_per_day, 0) as user_requests_per_day,
        coalesce(traffic.call_requests_per_day, 0) as call_requests_per_day,
        (coalesce(traffic.user_requests_per_day, 0) + coalesce(traffic.call_requests_per_day, 0))
        * pairs.rtt_ms / 1000 as waiting_seconds_per_day
    from pairs
    left join traffic
        on pairs.client_id = traffic.client_id
        and pairs.region_id = traffic.region_id
),

ranked as (
    select
        client_id,
        region_id,
        row_number() over (
            order by round(waiting_seconds_per_day, 6) desc, client_id asc, region_id asc
        ) as corridor_rank
    from weighed
    where waiting_seconds_per_day > 0
),

final as (
    select
        pairs.client_id,
        pairs.region_id,
        pairs.client_is_region,
        pairs.client_id = pairs.region_id as is_same_region,
        measured.windows_measured is not null as is_measured,
        pairs.rtt_source,
        pairs.is_distance_fallback,
        coalesce(measured.windows_measured, 0) as windows_measured,
        measured.first_measured_on,
        measured.last_measured_on,
        pairs.rtt_ms as used_rtt_ms,
        measured.min_rtt_ms,
        measured.max_rtt_ms,
        measured.mean_rtt_ms,
        measured.std_rtt_ms,
        measured.median_rtt_ms,
        case when measured.windows_with_p95 > 0 then pairs.p95_rtt_ms end as p95_rtt_ms,
        weighed.user_requests_per_day,
        weighed.call_requests_per_day,
        weighed.waiting_seconds_per_day,
        ranked.corridor_rank,
        pairs.rtt_ms >= {{ var('corridor_threshold_ms') }} as is_high_latency,
        cast({{ var('corridor_threshold_ms') }} as double) as high_latency_threshold_ms,
        cast(pairs.egress_usd_per_gb as decimal(18, 6)) as egress_usd_per_gb,
        pairs.is_egress_default,
        observation_window.as_of_at as as_of
    from pairs
    inner join weighed
        on pairs.client_id = weighed.client_id
        and pairs.region_id = weighed.region_id
    cross join observation_window
    left join measured
        on pairs.client_id = measured.client_id
        and pairs.region_id = measured.region_id
    left join ranked
        on pairs.client_id = ranked.client_id
        and pairs.region_id = ranked.region_id
)

select * from final
