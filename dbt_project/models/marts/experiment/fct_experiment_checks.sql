with

checks as (
    select * from {{ ref('stg_ml__experiment_checks') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        checks.experiment_id,
        checks.check_name,
        checks.scope,
        checks.observed,
        checks.expected,
        checks.status,
        observation_window.as_of_at as as_of
    from checks
    cross join observation_window
)

select * from final
