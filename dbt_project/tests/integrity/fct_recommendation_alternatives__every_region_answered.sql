{#-
What does it check?    Every recommendation says something about every region.
When does it matter?   A region without a row reads as forgotten, not as rejected.
How is it resolved?    The placement stage writes one row per service and region; see which pair it left out.
-#}
select
    recommendations.service_id,
    regions.region_id
from {{ ref('fct_recommendations') }} as recommendations
cross join {{ ref('dim_regions') }} as regions
left join {{ ref('fct_recommendation_alternatives') }} as alternatives
    on recommendations.service_id = alternatives.service_id
    and regions.region_id = alternatives.region_id
where alternatives.service_id is null
