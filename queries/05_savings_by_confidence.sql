-- Question: how much of the saving rests on sure ground?
-- Grain:    one row per confidence and action, surest first.
-- Columns:  services; monthly saving with the ends of its interval, as if all services erred in the same
--           direction; the code that capped most of them.
select
    confidence,
    action,
    count(*) as services,
    sum(monthly_saving_usd) as monthly_saving_usd,
    sum(monthly_saving_lo_usd) as monthly_saving_lo_usd,
    sum(monthly_saving_hi_usd) as monthly_saving_hi_usd,
    mode(confidence_cap_code order by confidence_cap_code) as usual_cap_code
from fct_recommendations
group by confidence, action
order by
    case confidence when 'high' then 1 when 'medium' then 2 else 3 end,
    sum(monthly_saving_usd) desc,
    action
