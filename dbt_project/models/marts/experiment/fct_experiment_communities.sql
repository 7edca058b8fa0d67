with

communities as (
    select * from {{ ref('stg_ml__experiment_communities') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        communities.experiment_id,
        communities.service_id,
        communities.community_id,
        communities.traffic_share,
        observation_window.as_of_at as as_of
    from communities
    cross join observation_window
)

select * from final
