with

source as (
    select * from {{ source('ml', 'placement_runs') }}
),

final as (
    select
        plan_id,
        plan_kind,
        trained_through as trained_through_on,
        upper_bound_usd_per_hour,
        lower_bound_usd_per_hour,
        gap_share,
        gap_scope,
        joint_lower_bound_usd_per_hour,
        joint_gap_share,
        joint_gap_scope,
        end_state,
        stop_reason,
        checker_status,
        moves,
        services_not_feasible,
        candidate_plans,
        input_hash,
        config_hash
    from source
)

select * from final
