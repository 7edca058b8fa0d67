select
    source_region_id,
    target_region_id,
    egress_usd_per_gb,
    facts_source,
    facts_observed_on
from {{ ref('stg_raw__region_egress__judged') }}
where rejected_rule is null
