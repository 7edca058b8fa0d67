with

source as (
    select * from {{ source('ml', 'placement_certificate_client_hours') }}
),

final as (
    select
        plan_id,
        service_id,
        region_id,
        hour_bin,
        peak_rps
    from source
)

select * from final
