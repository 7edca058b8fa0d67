{#-
What does it check?    Each term of each service's cost, its instances, and the use of each shared limit follow from
                       the region sets of the plan.
When does it matter?   Two errors that cancel in the total still send instances or money to the wrong place.
How is it resolved?    Compare the service named: placement_services and placement_plans hold the published values,
                       int_certificate__options every number of instances that SQL considered.
-#}
with

chosen as (
    select * from {{ ref('int_certificate__plans') }}
    where is_chosen
),

terms as (
    {%- for term in ['compute', 'open', 'egress', 'waiting', 'moving'] %}
    select
        chosen.plan_id,
        chosen.service_id,
        '{{ term }}' as term,
        chosen.{{ term }}_usd as derived_value,
        cast(published.{{ term }}_usd_per_hour as double) as published_value
    from chosen
    left join {{ ref('stg_ml__placement_services') }} as published
        on chosen.plan_id = published.plan_id
        and chosen.service_id = published.service_id
    union all
    {%- endfor %}
    select
        chosen.plan_id,
        chosen.service_id,
        'rules kept' as term,
        case when chosen.is_feasible then 1.0 else 0.0 end as derived_value,
        case when published.is_feasible then 1.0 else 0.0 end as published_value
    from chosen
    left join {{ ref('stg_ml__placement_services') }} as published
        on chosen.plan_id = published.plan_id
        and chosen.service_id = published.service_id
),

instances as (
    select
        chosen.plan_id,
        chosen.service_id,
        sizes.region_id,
        sizes.instances
    from chosen
    inner join {{ ref('int_certificate__slot_sizes') }} as sizes
        on chosen.plan_id = sizes.plan_id
        and chosen.service_id = sizes.service_id
        and chosen.set_mask = sizes.set_mask
        and chosen.is_loss_sized = sizes.is_loss_sized
        and chosen.step = sizes.step
),

sizes as (
    select
        placed.plan_id,
        placed.service_id,
        'instances in ' || placed.region_id as term,
        instances.instances as derived_value,
        cast(placed.instances as double) as published_value
    from {{ ref('stg_ml__placement_plans') }} as placed
    inner join {{ ref('fct_certificate') }} as certificates
        on placed.plan_id = certificates.plan_id
    left join instances
        on placed.plan_id = instances.plan_id
        and placed.service_id = instances.service_id
        and placed.region_id = instances.region_id
    where certificates.status <> 'skipped'
),

used as (
    select
        instances.plan_id,
        instances.region_id,
        {{ exact_sum('instances.instances * services.cpu_cores') }} as used_vcpu
    from instances
    inner join {{ ref('int_certificate__services') }} as services
        on instances.service_id = services.service_id
    group by
        instances.plan_id,
        instances.region_id
),

-- A plan within its limits: what it uses of them is what its bound was compared with.
limits as (
    select
        duals.plan_id,
        '*' as service_id,
        'vCPU in ' || duals.region_id as term,
        coalesce(used.used_vcpu, 0) as derived_value,
        case when duals.used_value <= duals.limit_value + 1e-6 then duals.used_value end
            as published_value
    from {{ ref('stg_ml__placement_duals') }} as duals
    inner join {{ ref('fct_certificate') }} as certificates
        on duals.plan_id = certificates.plan_id
    left join used
        on duals.plan_id = used.plan_id
        and duals.region_id = used.region_id
    where duals.row_kind = 'capacity_vcpu' and certificates.status <> 'skipped'
),

compared as (
    select * from terms
    union all
    select * from sizes
    union all
    select * from limits
)

select * from compared
where coalesce(abs(derived_value - published_value) > 1e-6, true)
