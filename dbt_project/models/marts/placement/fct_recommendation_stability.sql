with

found as (
    select * from {{ ref('stg_ml__placement_stability') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        found.service_id,
        found.is_stable,
        found.regions_at_lower,
        found.regions_at_upper,
        found.interval_level,
        observation_window.as_of_at as as_of
    from found
    cross join observation_window
)

select * from final
