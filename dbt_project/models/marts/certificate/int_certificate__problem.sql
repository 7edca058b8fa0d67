{%- set names = [
    'utilisation_target', 'utilisation_after_loss', 'saturation', 'min_instances',
    'usd_per_request_ms_critical', 'usd_per_request_ms_other', 'open_region_usd_per_hour',
    'replica_usd_per_gb_hour', 'migration_amortisation_hours', 'stickiness_share',
    'max_regions_cap', 'keep_loss_survival', 'slowdown_limit_share', 'slowdown_error_share',
    'default_tier', 'slo_critical_is_hard', 'slo_demand_share', 'misroute_share',
    'misroute_share_calls', 'near_tie_share', 'near_tie_is_split', 'ingress_usd_per_gb',
    'hour_bins_max'
] -%}
with recursive

parameters as (
    select * from {{ ref('stg_ml__placement_certificate_parameters') }}
),

values_by_name as (
    select
        {%- for name in names %}
        max(case when name = '{{ name }}' then value end) as {{ name }},
        {%- endfor %}
        plan_id
    from parameters
    where scope = '*'
    group by plan_id
),

terms_left_out as (
    select {{ list_of('scope') }} as terms
    from parameters
    where name = 'terms_not_in_sql'
),

plan_ids as (
    select
        max(case when plan_kind = 'recommended' then plan_id end) as plan_id,
        max(case when plan_kind = 'current' then plan_id end) as current_plan_id
    from {{ ref('stg_ml__placement_runs') }}
),

counted as (
    select
        'services' as what,
        count(*) as row_count
    from {{ ref('feat_placement__services') }}
    where is_active

    union all

    select
        'regions' as what,
        count(*) as row_count
    from {{ ref('feat_placement__regions') }}

    union all

    -- The optimiser's hours are those in which anybody asks for anything.
    select
        'hours' as what,
        count(distinct demand.hour_of_week) as row_count
    from {{ ref('feat_placement__own_demand') }} as demand
    inner join {{ ref('feat_placement__services') }} as facts
        on demand.service_id = facts.service_id
    where facts.is_active

    union all

    select
        'origins' as what,
        count(distinct origin_id) as row_count
    from {{ ref('feat_placement__own_demand') }}

    union all

    select
        'latency_rows' as what,
        count(*) as row_count
    from {{ ref('stg_ml__latency_candidates') }}

    union all

    select
        'flow_rows' as what,
        count(*) as row_count
    from {{ ref('stg_ml__placement_certificate_onward') }}
),

counts as (
    select
        max(case when what = 'services' then row_count end) as services,
        max(case when what = 'regions' then row_count end) as regions,
        max(case when what = 'hours' then row_count end) as hours,
        max(case when what = 'origins' then row_count end) as origins,
        max(case when what = 'latency_rows' then row_count end) as latency_rows,
        max(case when what = 'flow_rows' then row_count end) as flow_rows
    from counted
),

-- Sets of one region, of two, ...: R over k from R over k - 1, before any set is written down.
sets_by_size as (
    select
        1 as set_size,
        cast(counts.regions as double) as sets,
        counts.regions,
        least(values_by_name.max_regions_cap, counts.regions) as largest_size
    from counts
    cross join values_by_name

    union all

    select
        set_size + 1 as set_size,
        sets * (regions - set_size) / (set_size + 1) as sets,
        regions,
        largest_size
    from sets_by_size
    where set_size < largest_size
),

set_counts as (
    select cast(round(sum(sets)) as bigint) as sets
    from sets_by_size
),

sized as (
    select
        plan_ids.current_plan_id,
        values_by_name.*,
        counts.*,
        set_counts.sets,
        counts.services * set_counts.sets as plan_rows,
        terms_left_out.terms
    from plan_ids
    cross join counts
    cross join set_counts
    cross join terms_left_out
    inner join values_by_name
        on plan_ids.plan_id = values_by_name.plan_id
),

final as (
    select
        sized.plan_id,
        sized.current_plan_id,
        sized.utilisation_target,
        sized.utilisation_after_loss,
        sized.saturation,
        sized.min_instances,
        sized.usd_per_request_ms_critical,
        sized.usd_per_request_ms_other,
        sized.open_region_usd_per_hour,
        sized.replica_usd_per_gb_hour,
        sized.migration_amortisation_hours,
        sized.stickiness_share,
        sized.max_regions_cap,
        sized.keep_loss_survival = 1 as is_survival_kept,
        -- The limit is on the truth: the prediction's own error leaves less room below it.
        greatest(
            1.0,
            (1.0 + sized.slowdown_limit_share) / (1.0 + sized.slowdown_error_share)
        ) as slowdown_factor,
        sized.default_tier,
        sized.slo_critical_is_hard = 1 as is_critical_slo_hard,
        sized.slo_demand_share,
        sized.near_tie_share,
        sized.near_tie_is_split = 1 as is_near_tie_split,
        sized.ingress_usd_per_gb,
        greatest(0.0, least(1.0, coalesce(observed.misroute_share, sized.misroute_share)))
            as misroute_share,
        coalesce(
            sized.misroute_share_calls,
            greatest(0.0, least(1.0, coalesce(observed.misroute_share, sized.misroute_share)))
        ) as misroute_share_calls,
        sized.hours,
        cast(ceil(sized.hours / sized.hour_bins_max) as bigint) as hours_per_bin,
        sized.services,
        sized.regions,
        sized.sets,
        sized.plan_rows,
        case
            when sized.terms is not null
                then 'SQL does not derive what the policy switches on: ' || sized.terms
            when sized.latency_rows = 0
                then 'no latency model was trained, physics alone is not derived in SQL'
            when sized.plan_rows > {{ var('certificate_max_plan_rows') }}
                then
                    sized.services || ' services x ' || sized.sets || ' region sets exceed '
                    || 'certificate_max_plan_rows == {{ var("certificate_max_plan_rows") }}'
            when sized.flow_rows = 0
                then 'the optimiser wrote no call flows, the fleet is too large for it'
            when sized.regions + sized.origins > 62
                then
                    sized.regions || ' regions and ' || sized.origins || ' origins of users do not '
                    || 'fit into the number that names a set'
        end as skipped_because
    from sized
    cross join {{ ref('feat_window') }} as observed
)

select * from final
