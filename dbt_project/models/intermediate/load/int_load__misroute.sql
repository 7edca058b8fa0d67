with

nearest as (
    select * from {{ ref('int_load__nearest') }}
    where n_regions > 1
),

daily as (
    select * from {{ ref('int_demand__service_origin_days') }}
),

placed as (
    select * from {{ ref('int_placement__service_region_days') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

-- Services that nobody calls: all their demand is users', so no unknown flow blurs the fit.
uncalled as (
    select service_id from {{ ref('int_graph__services') }}
    where in_degree = 0
),

expected as (
    select
        nearest.service_id,
        nearest.region_id,
        nearest.placed_on,
        max(nearest.n_regions) as n_regions,
        {{ exact_sum('case when nearest.is_nearest then daily.requests else 0 end', 0) }}
        / nullif({{ exact_sum('daily.requests', 0) }}, 0) as nearest_share
    from nearest
    inner join uncalled
        on nearest.service_id = uncalled.service_id
    inner join the_window
        on nearest.placed_on <= the_window.train_through_on
    inner join daily
        on nearest.service_id = daily.service_id
        and nearest.client_id = daily.origin_id
        and nearest.placed_on = daily.observed_on
    group by
        nearest.service_id,
        nearest.region_id,
        nearest.placed_on
),

served as (
    select
        service_id,
        region_id,
        placed_on,
        cast(requests_served as double)
        / nullif(sum(requests_served) over (partition by service_id, placed_on), 0)
            as served_share
    from placed
),

compared as (
    select
        1.0 / expected.n_regions - expected.nearest_share as lever,
        served.served_share - expected.nearest_share as excess
    from expected
    inner join served
        on expected.service_id = served.service_id
        and expected.region_id = served.region_id
        and expected.placed_on = served.placed_on
    where served.served_share is not null and expected.nearest_share is not null
),

-- Least squares through the origin: served = nearest + share * (even - nearest).
fitted as (
    select
        {{ exact_sum('lever * excess', 15) }} as numerator,
        {{ exact_sum('lever * lever', 15) }} as denominator,
        count(*) as fitted_rows
    from compared
),

final as (
    select
        case
            when denominator > 0 then greatest(0, least(0.5, numerator / denominator))
            else {{ var('misroute_share_prior') }}
        end as misroute_share,
        coalesce(denominator > 0, false) as is_fitted,
        fitted_rows
    from fitted
)

select * from final
