with

source as (
    select * from {{ source('ml', 'experiment_demand') }}
),

final as (
    select
        experiment_id,
        arm,
        outcome,
        requests,
        offered_requests,
        offered_share
    from source
)

select * from final
