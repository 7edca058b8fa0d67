with

judged as (
    select * from {{ ref('stg_raw__service_placement__judged') }}
),

-- A row set aside for its latency alone still says where the service ran, and how large.
located as (
    select
        service_id,
        region_id,
        placed_on,
        instances,
        requests_served,
        cpu_utilization,
        rejected_rule is null as is_latency_usable,
        row_number() over (
            partition by service_id, region_id, placed_on
            order by
                case when rejected_rule is null then 0 else 1 end,
                file_name desc,
                line_number desc
        ) as preference
    from judged
    where
        rejected_rule is null
        or rejected_rule in ('missing_latency', 'zero_latency', 'absurd_latency')
),

final as (
    select
        service_id,
        region_id,
        placed_on,
        instances,
        requests_served,
        cpu_utilization,
        is_latency_usable
    from located
    where preference = 1
)

select * from final
