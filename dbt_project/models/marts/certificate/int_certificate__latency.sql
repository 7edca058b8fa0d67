with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

candidates as (
    select * from {{ ref('stg_ml__latency_candidates') }}
),

calls as (
    select * from {{ ref('stg_ml__placement_certificate_onward') }}
),

services as (
    select * from {{ ref('feat_placement__services') }}
    where is_active
),

known as (
    select distinct utilization_bucket from candidates
),

buckets as (
    select
        utilization_bucket,
        row_number() over (order by utilization_bucket) as bucket_number,
        lag(utilization_bucket) over (order by utilization_bucket) as bucket_below,
        lead(utilization_bucket) over (order by utilization_bucket) as bucket_above
    from known
),

-- A region without a complete prediction is closed; where a service runs in one today, nobody
-- waits there as far as the model knows.
grid as (
    select
        services.service_id,
        regions.region_id,
        buckets.bucket_number,
        buckets.utilization_bucket,
        -- Above the highest bucket the highest holds, below the lowest the lowest.
        coalesce(buckets.bucket_below, -1) as utilisation_above,
        case when buckets.bucket_above is null then 1e9 else buckets.utilization_bucket end
            as utilisation_up_to,
        services.p95_over_mean
    from services
    cross join {{ ref('int_certificate__regions') }} as regions
    cross join buckets
),

-- Predictions hold calls as the model sees today's plan: those of the plan take their place.
parts as (
    select
        calls.plan_id,
        grid.service_id,
        grid.region_id,
        grid.bucket_number,
        grid.utilisation_above,
        grid.utilisation_up_to,
        coalesce(candidates.network_weight, 0) as network_weight,
        greatest(
            0.0, coalesce(candidates.internal_ms - candidates.calls_ms, 0) + calls.calls_ms
        ) as inside_ms,
        coalesce(candidates.own_sd_ms * candidates.own_sd_ms, 0) + calls.calls_variance_ms2
            as inside_variance_ms2,
        candidates.own_sd_ms is not null as has_variance,
        coalesce(candidates.residual_factor, 0) as residual_factor,
        coalesce(
            candidates.p95_hi_factor,
            coalesce(candidates.p95_factor, grid.p95_over_mean)
            * coalesce(candidates.mean_hi_factor, 1.0)
        ) as p95_hi_factor,
        candidates.internal_ms is not null
        and candidates.network_weight is not null
        and candidates.residual_factor is not null as is_complete
    from grid
    inner join calls
        on grid.service_id = calls.service_id
        and grid.region_id = calls.region_id
    cross join problem
    left join candidates
        on grid.service_id = candidates.service_id
        and grid.region_id = candidates.region_id
        and grid.utilization_bucket = candidates.utilization_bucket
),

spread as (
    select
        parts.*,
        case
            when has_variance and inside_ms > 0
                then least(
                    1.6448536269514722,
                    sqrt(ln(1.0 + inside_variance_ms2 / (inside_ms * inside_ms)))
                )
            else 0.0
        end as log_sd
    from parts
),

final as (
    select
        plan_id,
        service_id,
        region_id,
        bucket_number,
        utilisation_above,
        utilisation_up_to,
        network_weight,
        inside_ms,
        inside_variance_ms2,
        residual_factor,
        p95_hi_factor,
        is_complete,
        log_sd
    from spread
)

select * from final
