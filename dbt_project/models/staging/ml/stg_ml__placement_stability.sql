with

source as (
    select * from {{ source('ml', 'placement_stability') }}
),

final as (
    select
        service_id,
        is_stable,
        regions_at_lower,
        regions_at_upper,
        interval_level
    from source
)

select * from final
