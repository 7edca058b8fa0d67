with

source as (
    select * from {{ source('ml', 'model_metrics') }}
),

final as (
    select
        model_name,
        variant,
        split,
        slice as slice_name,
        metric,
        value,
        goal_low,
        goal_high,
        status,
        rows as row_count,
        model_id
    from source
)

select * from final
