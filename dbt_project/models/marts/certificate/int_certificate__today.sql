with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

-- Today is sized like any plan, before anything is compared with it.
home as (
    select
        services.*,
        options.compute_usd,
        options.egress_usd,
        options.waiting_usd,
        options.mean_ms,
        options.mean_rps,
        options.served_share
    from {{ ref('int_certificate__services') }} as services
    cross join problem
    inner join {{ ref('int_certificate__options') }} as options
        on services.service_id = options.service_id
        and services.home_mask = options.set_mask
        and problem.current_plan_id = options.plan_id
        and services.is_loss_proof = options.is_loss_sized
    where options.is_step_taken
),

final as (
    select
        home.service_id,
        home.current_mask > 0 as is_known,
        -- No service may survive the loss of a region worse than it does today.
        case
            when home.current_mask > 0 and problem.is_survival_kept then home.served_share
            else 0.0
        end as served_floor,
        case
            when home.current_mask > 0 and home.mean_ms > 0
                then home.mean_ms * problem.slowdown_factor
        end as slowest_ms,
        case
            when home.current_mask > 0
                then problem.stickiness_share * (
                    home.compute_usd
                    + problem.open_region_usd_per_hour * home.home_regions
                    + home.state_gb * problem.replica_usd_per_gb_hour * (home.home_regions - 1)
                    + home.egress_usd
                    + home.waiting_usd
                )
            else 0.0
        end as sticky_usd,
        case
            when home.current_mask > 0
                then home.state_gb / problem.migration_amortisation_hours
            else 0.0
        end as moved_gb_per_hour
    from home
    cross join problem
)

select * from final
