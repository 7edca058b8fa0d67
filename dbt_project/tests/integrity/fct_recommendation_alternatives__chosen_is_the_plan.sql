{#-
What does it check?    A region is marked as chosen exactly where the recommended plan runs the service.
When does it matter?   The list of options and the recommendation stand on one page.
How is it resolved?    Predictions of two runs are mixed: empty the folder and run the placement stage again.
-#}
select
    alternatives.service_id,
    alternatives.region_id,
    alternatives.is_chosen,
    regions.role
from {{ ref('fct_recommendation_alternatives') }} as alternatives
left join {{ ref('fct_recommendation_regions') }} as regions
    on alternatives.recommendation_id = regions.recommendation_id
    and alternatives.region_id = regions.region_id
where alternatives.is_chosen <> (coalesce(regions.role, 'removed') <> 'removed')
