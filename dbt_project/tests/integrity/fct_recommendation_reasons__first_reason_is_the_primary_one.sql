{#-
What does it check?    Every recommendation has reasons, ranked from 1, and the first is the one it names.
When does it matter?   A headline whose reason is not in the list below it cannot be defended.
How is it resolved?    A code that is missing from reason_codes drops out of the ranking: add it with its words.
-#}
select
    recommendations.service_id,
    recommendations.primary_reason_code,
    reasons.reason_code
from {{ ref('fct_recommendations') }} as recommendations
left join {{ ref('fct_recommendation_reasons') }} as reasons
    on recommendations.recommendation_id = reasons.recommendation_id
    and reasons.reason_rank = 1
where reasons.reason_code is null
    or reasons.reason_code <> recommendations.primary_reason_code
