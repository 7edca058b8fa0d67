with

source as (
    select * from {{ source('ml', 'experiment_classic_report') }}
),

final as (
    select
        experiment_id,
        line,
        line_order,
        unit,
        control,
        treatment,
        change_abs,
        change_share,
        definition,
        label
    from source
)

select * from final
