-- Question: for which services is the latency model worst on days it never saw, and does its interval hold?
-- Grain:    one row per service with predicted days, largest error first. Where no model could be trained every
--           day counts as unseen.
-- Columns:  days; mean observed latency; mean absolute error, ms and as a share; share of days inside the
--           interval, beside the stated level.
with

tested as (
    select count(*) as days from fct_latency_predictions
    where split = 'test'
),

-- A history too short to be split has no days set apart: then every day counts.
judged as (
    select predictions.*
    from fct_latency_predictions as predictions
    cross join tested
    where
        predictions.split = 'test'
        or tested.days = 0
)

select
    service_id,
    count(*) as days,
    round(avg(observed_ms), 1) as mean_observed_ms,
    round(avg(abs(predicted_ms - observed_ms)), 1) as mean_absolute_error_ms,
    round(avg(abs(predicted_ms - observed_ms)) / nullif(avg(observed_ms), 0), 3) as error_share,
    round(
        avg(case when observed_ms between predicted_lo_ms and predicted_hi_ms then 1.0 else 0.0 end), 3
    ) as covered_share,
    max(interval_level) as interval_level
from judged
group by service_id
order by mean_absolute_error_ms desc, service_id asc
