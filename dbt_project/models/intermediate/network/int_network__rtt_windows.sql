{{ config(materialized='view') }}
-- A view: it only names the day of each staged window.

with

staged as (
    select * from {{ ref('stg_raw__regional_latency') }}
),

final as (
    select
        client_id,
        region_id,
        observed_at,
        cast(observed_at as date) as observed_on,
        rtt_ms,
        p95_rtt_ms,
        samples,
        -- Without a stated source the figure counts as measured: somebody exported it.
        coalesce(rtt_source, 'probe') as rtt_source
    from staged
)

select * from final
