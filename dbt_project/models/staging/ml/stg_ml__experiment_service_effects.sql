with

source as (
    select * from {{ source('ml', 'experiment_service_effects') }}
),

final as (
    select
        experiment_id,
        service_id,
        traffic_share,
        control_ms,
        treatment_ms,
        rel_effect,
        rel_lo,
        rel_hi,
        shrunk_effect,
        p_adjusted,
        status,
        reason
    from source
)

select * from final
