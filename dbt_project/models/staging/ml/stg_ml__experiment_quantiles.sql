with

source as (
    select * from {{ source('ml', 'experiment_quantiles') }}
),

final as (
    select
        experiment_id,
        mode,
        quantile_share,
        control_ms,
        treatment_ms,
        rel_effect,
        rel_lo,
        rel_hi,
        interval_level
    from source
)

select * from final
