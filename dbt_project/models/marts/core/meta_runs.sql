with

runs as (
    select * from {{ ref('stg_run__meta_run') }}
),

dataset as (
    select * from {{ ref('stg_raw__landed_dataset') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        runs.run_id,
        runs.build_id,
        runs.code_commit,
        runs.command,
        runs.started_at,
        runs.seed,
        runs.config_hash,
        runs.dataset_hash,
        dataset.dataset_kind,
        observation_window.is_synthetic,
        dataset.dataset_description,
        observation_window.first_on,
        observation_window.last_on,
        cast(observation_window.days as bigint) as days,  -- noqa: RF04
        runs.versions,
        observation_window.as_of_at as as_of
    from runs
    cross join dataset
    cross join observation_window
)

select * from final
