{#-
What does it check?    The curve of p-values passes through the false-positive rate at 5 %.
When does it matter?   Curve and rate are shown on one page; two counts of the same runs must agree.
How is it resolved?    Both come from one list of p-values in ml/experiment: look for a second list.
-#}
with

five_percent as (
    select * from {{ ref('fct_experiment_rejections') }}
    where nominal_level = 0.05
)

select
    calibration.form,
    calibration.source,
    calibration.design,
    calibration.metric,
    calibration.estimator,
    calibration.scenario,
    calibration.false_positive_rate,
    five_percent.rejected_share
from {{ ref('fct_experiment_calibration') }} as calibration
inner join five_percent
    on calibration.form = five_percent.form
    and calibration.source = five_percent.source
    and calibration.design = five_percent.design
    and calibration.metric = five_percent.metric
    and calibration.estimator = five_percent.estimator
    and calibration.scenario = five_percent.scenario
where calibration.false_positive_rate is null
    or abs(calibration.false_positive_rate - five_percent.rejected_share) > 1e-12
