with

source as (
    select * from {{ source('ml', 'experiment_metrics') }}
),

final as (
    select
        experiment_id,
        metric,
        role,
        kind,
        quantile_share,
        numerator,
        denominator,
        unit,
        is_lower_better,
        margin,
        margin_kind,
        smallest_effect_share,
        alpha,
        family
    from source
)

select * from final
