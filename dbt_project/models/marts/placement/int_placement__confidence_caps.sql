{#- Which missing data weaken the advice for which service. -#}
with

degradations as (
    select * from {{ ref('fct_degradations') }}
),

reason_codes as (
    select * from {{ ref('reason_codes') }}
),

plans as (
    select * from {{ ref('int_placement__region_changes') }}
    where plan_kind = 'recommended'
),

services as (
    select distinct service_id
    from plans
),

fleet_wide as (
    select
        services.service_id,
        degradations.reason_code
    from services
    cross join degradations
    where degradations.scope_kind = 'fleet'
),

of_the_service as (
    select
        services.service_id,
        degradations.reason_code
    from services
    inner join degradations
        on services.service_id = degradations.service_id
),

-- A gap in a region's data weakens the advice of the services that are to run, or to leave, there.
of_its_regions as (
    select distinct
        plans.service_id,
        degradations.reason_code
    from plans
    inner join degradations
        on plans.region_id = degradations.region_id
),

applying as (
    select * from fleet_wide
    union
    select * from of_the_service
    union
    select * from of_its_regions
),

final as (
    select
        applying.service_id,
        applying.reason_code,
        case reason_codes.confidence_cap
            when 'low' then 1
            when 'medium' then 2
            else 3
        end as cap_level
    from applying
    inner join reason_codes
        on applying.reason_code = reason_codes.reason_code
    -- Other kinds are reasons of their own, not gaps in the data.
    where reason_codes.reason_kind = 'data'
)

select * from final
