with

source as (
    select * from {{ source('ml', 'experiment_checks') }}
),

final as (
    select
        experiment_id,
        check_name,
        scope,
        observed,
        expected,
        status
    from source
)

select * from final
