-- Question: who gains, and does anybody lose?
-- Grain:    one row per evidence layer, metric, role and segment. Segments are exploratory: among many, some
--           look good by chance.
-- Columns:  control, treatment, effect in per cent with its interval, status and verdict; without an
--           experiment one row per metric that says why there is no number.
select
    mode,
    metric,
    role,
    segment,
    segment_value,
    control,
    treatment,
    round(100 * rel_effect, 2) as effect_percent,
    round(100 * rel_lo, 2) as effect_lo_percent,
    round(100 * rel_hi, 2) as effect_hi_percent,
    interval_level,
    status,
    verdict,
    reason
from fct_experiment_results
order by mode, metric, role, segment, segment_value
