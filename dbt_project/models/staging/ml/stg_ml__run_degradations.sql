with

source as (
    select * from {{ source('ml', 'run_degradations') }}
),

final as (
    select
        code,
        scope,
        detail
    from source
)

select * from final
