with

windows as (
    select * from {{ ref('int_network__rtt_windows') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        windows.client_id,
        windows.region_id,
        windows.observed_on,
        count(*) as windows_measured,
        cast(sum(windows.samples) as bigint) as samples,
        min(windows.rtt_ms) as min_rtt_ms,
        cast(sum(cast(windows.rtt_ms as decimal(28, 9))) as double) / count(*) as mean_rtt_ms,
        max(windows.rtt_ms) as max_rtt_ms,
        {{ quantile_of('windows.rtt_ms', 0.5) }} as median_rtt_ms,
        -- The worst p95 of the day's windows: quantiles of windows cannot be averaged.
        max(windows.p95_rtt_ms) as worst_p95_rtt_ms,
        max(observation_window.as_of_at) as as_of
    from windows
    cross join observation_window
    group by windows.client_id, windows.region_id, windows.observed_on
)

select * from final
