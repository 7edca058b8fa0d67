-- What does it check? That the constants of the project lie where their formulas make sense.
-- When does it matter? A slip in dbt_project.yml would shift every feature without an error.
-- How is it resolved? Put the value back, or change the bound here with the reason.
with

constants as (
    select 'train_share' as constant, {{ var('train_share') }} as value, 0.1 as low, 0.9 as high
    union all
    select 'utilisation_cap', {{ var('utilisation_cap') }}, 0.9, 0.999
    union all
    select 'unit_error_ratio', {{ var('unit_error_ratio') }}, 10, 100
    union all
    select 'fibre_km_per_ms', {{ var('fibre_km_per_ms') }}, 200, 210
    union all
    select 'distance_stretch', {{ var('distance_stretch') }}, 1, 3
    union all
    select 'misroute_share_prior', {{ var('misroute_share_prior') }}, 0, 0.2
    union all
    select 'forecast_decay', {{ var('forecast_decay') }}, 0.1, 1
)

select * from constants
where value < low or value > high
