with

source as (
    select * from {{ source('ml', 'placement_alternatives') }}
),

final as (
    select
        service_id,
        region_id,
        is_chosen,
        is_current,
        is_feasible,
        is_complete,
        blocking_constraint,
        blocking_evidence,
        best_region_set,
        gap_usd_per_month,
        gap_ms,
        gap_objective_usd_per_month,
        gap_method,
        gap_lower_usd_per_month,
        gap_upper_usd_per_month
    from source
)

select * from final
