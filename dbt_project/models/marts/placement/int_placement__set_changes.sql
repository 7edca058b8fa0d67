with

changes as (
    select * from {{ ref('int_placement__region_changes') }}
),

regions as (
    select * from {{ ref('feat_placement__regions') }}
),

sets_before as (
    select
        plan_id,
        service_id,
        {{ list_of('region_id') }} as from_regions
    from changes
    where role in ('stay', 'removed')
    group by plan_id, service_id
),

sets_after as (
    select
        plan_id,
        service_id,
        {{ list_of('region_id') }} as to_regions
    from changes
    where role in ('stay', 'added')
    group by plan_id, service_id
),

counts as (
    select
        plan_id,
        service_id,
        sum(case when role in ('stay', 'removed') then 1 else 0 end) as regions_before,
        sum(case when role in ('stay', 'added') then 1 else 0 end) as regions_after,
        sum(case when role = 'added' then 1 else 0 end) as regions_added,
        sum(case when role = 'removed' then 1 else 0 end) as regions_removed,
        sum(instances_before) as instances_before,
        sum(instances_after) as instances_after
    from changes
    group by plan_id, service_id
),

-- An added region at a provider where the service does not run yet means new accounts and tooling.
new_providers as (
    select
        added.plan_id,
        added.service_id,
        max(case when known.service_id is null then 1 else 0 end) as has_new_provider
    from changes as added
    inner join regions as added_regions
        on added.region_id = added_regions.region_id
    left join (
        select distinct
            changes.plan_id,
            changes.service_id,
            regions.provider
        from changes
        inner join regions
            on changes.region_id = regions.region_id
        where changes.role in ('stay', 'removed')
    ) as known
        on added.plan_id = known.plan_id
        and added.service_id = known.service_id
        and added_regions.provider = known.provider
    where added.role = 'added'
    group by added.plan_id, added.service_id
),

final as (
    select
        counts.plan_id,
        counts.service_id,
        coalesce(sets_before.from_regions, '') as from_regions,
        coalesce(sets_after.to_regions, '') as to_regions,
        cast(counts.regions_before as bigint) as regions_before,
        cast(counts.regions_after as bigint) as regions_after,
        cast(counts.regions_added as bigint) as regions_added,
        cast(counts.regions_removed as bigint) as regions_removed,
        cast(counts.instances_before as bigint) as instances_before,
        cast(counts.instances_after as bigint) as instances_after,
        coalesce(new_providers.has_new_provider, 0) = 1 as is_new_provider,
        -- A different number of instances in the same regions is sizing, not a move.
        case
            when counts.regions_added = 0 and counts.regions_removed = 0 then 'keep'
            when counts.regions_removed = 0 then 'add_region'
            when counts.regions_added = 0 then 'remove_region'
            when counts.regions_added = counts.regions_removed then 'move'
            else 'reshape'
        end as action  -- noqa: RF04
    from counts
    left join sets_before
        on counts.plan_id = sets_before.plan_id
        and counts.service_id = sets_before.service_id
    left join sets_after
        on counts.plan_id = sets_after.plan_id
        and counts.service_id = sets_after.service_id
    left join new_providers
        on counts.plan_id = new_providers.plan_id
        and counts.service_id = new_providers.service_id
)

select * from final
