with

source as (
    select * from {{ source('ml', 'feature_importances') }}
),

final as (
    select
        model_name,
        method,
        slice as slice_name,
        feature,
        importance,
        unit,
        importance_rank,
        model_id
    from source
)

select * from final
