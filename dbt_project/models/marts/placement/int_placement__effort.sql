{#- Points for what makes a change laborious; the sum names the effort. -#}
with

set_changes as (
    select * from {{ ref('int_placement__set_changes') }}
),

services as (
    select * from {{ ref('feat_placement__services') }}
),

points as (
    select
        set_changes.plan_id,
        set_changes.service_id,
        set_changes.action,
        set_changes.regions_removed,
        services.is_stateful and set_changes.regions_added > 0 as needs_data_migration,
        services.is_stateful,
        case when services.is_stateful and set_changes.regions_added > 0 then 1 else 0 end
        + case
            when
                services.is_stateful
                and set_changes.regions_added > 0
                and services.state_gb >= {{ var('state_gb_high') }} then 2
            when
                services.is_stateful
                and set_changes.regions_added > 0
                and services.state_gb >= {{ var('state_gb_medium') }} then 1
            else 0
        end
        + case when set_changes.is_new_provider then 2 else 0 end
        + case
            when set_changes.regions_added = 0 then 0
            when set_changes.regions_added + set_changes.regions_removed > 2 then 2
            else 1
        end as effort_points
    from set_changes
    left join services
        on set_changes.service_id = services.service_id
),

final as (
    select
        plan_id,
        service_id,
        coalesce(needs_data_migration, false) as needs_data_migration,
        -- State that left a region is gone from there: going back is another migration.
        not(coalesce(is_stateful, false) and regions_removed > 0) as is_reversible,
        case
            when effort_points <= 0 then 'very_low'
            when effort_points = 1 then 'low'
            when effort_points = 2 then 'medium'
            when effort_points = 3 then 'high'
            else 'very_high'
        end as effort
    from points
)

select * from final
