with

services as (
    select * from {{ ref('int_placement__services') }}
),

regions as (
    select * from {{ ref('int_network__regions') }}
),

placed as (
    select placed.*
    from {{ ref('int_placement__service_region_days') }} as placed
    inner join {{ ref('int_placement__window') }} as the_window
        on placed.placed_on = the_window.last_on
),

-- NA is North America before it is Namibia: continents win where a code is both.
judged as (
    select
        services.service_id,
        regions.region_id,
        services.residency,
        services.residency is null
        or concat(';', services.residency, ';') like concat('%;', regions.continent, ';%')
        or (
            regions.country_code not in ('AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA')
            and concat(';', services.residency, ';') like concat('%;', regions.country_code, ';%')
        ) as is_allowed,
        regions.country_code,
        regions.continent
    from services
    cross join regions
),

final as (
    select
        judged.service_id,
        judged.region_id,
        judged.is_allowed,
        case when not judged.is_allowed then 'RESIDENCY' end as blocker,
        case
            when not judged.is_allowed
                then concat(
                    'allowed: ', judged.residency,
                    '; region is in ', judged.country_code, ', ', judged.continent
                )
        end as blocker_evidence,
        placed.service_id is not null as is_current,
        cast(placed.instances as bigint) as current_instances
    from judged
    left join placed
        on judged.service_id = placed.service_id
        and judged.region_id = placed.region_id
)

select * from final
