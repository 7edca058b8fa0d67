with

source as (
    select * from {{ source('ml', 'experiment_communities') }}
),

final as (
    select
        experiment_id,
        service_id,
        community_id,
        traffic_share
    from source
)

select * from final
