with

units as (
    select * from {{ ref('stg_ml__experiment_units') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        units.experiment_id,
        units.metric,
        units.block_id,
        units.observed_on,
        units.arm,
        units.value,
        units.unit,
        units.covariate,
        units.offered_requests,
        observation_window.as_of_at as as_of
    from units
    cross join observation_window
)

select * from final
