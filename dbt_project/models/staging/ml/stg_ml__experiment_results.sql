with

source as (
    select * from {{ source('ml', 'experiment_results') }}
),

final as (
    select
        experiment_id,
        mode,
        metric,
        role,
        segment,
        segment_value,
        unit,
        control,
        treatment,
        abs_effect,
        abs_lo,
        abs_hi,
        rel_effect,
        rel_lo,
        rel_hi,
        interval_level,
        p_value,
        p_adjusted,
        plausible_lo,
        plausible_hi,
        mde80,
        margin,
        margin_kind,
        blocks,
        effective_units,
        method,
        status,
        verdict,
        reason
    from source
)

select * from final
