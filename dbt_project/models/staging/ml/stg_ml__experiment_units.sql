with

source as (
    select * from {{ source('ml', 'experiment_units') }}
),

final as (
    select
        experiment_id,
        metric,
        block_id,
        observed_on,
        arm,
        value,
        unit,
        covariate,
        offered_requests
    from source
)

select * from final
