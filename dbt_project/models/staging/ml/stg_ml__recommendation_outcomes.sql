with

source as (
    select * from {{ source('ml', 'recommendation_outcomes') }}
),

final as (
    select
        recommendation_id,
        plan_id,
        service_id,
        advised_through_on,
        moved_on,
        from_regions,
        to_regions,
        predicted_effect,
        predicted_lo,
        predicted_hi,
        interval_level,
        realised_effect,
        realised_lo,
        realised_hi,
        is_covered,
        grade,
        error_ratio,
        status,
        reason
    from source
)

select * from final
