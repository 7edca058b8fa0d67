with

source as (
    select * from {{ source('ml', 'latency_calls') }}
),

final as (
    select
        caller_service_id,
        callee_service_id,
        model_id,
        latency_factor,
        traced_factor
    from source
)

select * from final
