with

diagnostics as (
    select * from {{ ref('stg_ml__experiment_move_diagnostics') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        diagnostics.experiment_id,
        diagnostics.move_id,
        diagnostics.service_id,
        diagnostics.moved_on,
        diagnostics.diagnostic,
        diagnostics.rel_value,
        diagnostics.rel_band,
        diagnostics.placebo_p,
        diagnostics.is_unusual,
        diagnostics.status,
        diagnostics.reason,
        observation_window.as_of_at as as_of
    from diagnostics
    cross join observation_window
)

select * from final
