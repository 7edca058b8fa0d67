with

report_lines as (
    select * from {{ ref('stg_ml__experiment_classic_report') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        report_lines.experiment_id,
        report_lines.line,
        report_lines.line_order,
        report_lines.unit,
        report_lines.control,
        report_lines.treatment,
        report_lines.change_abs,
        report_lines.change_share,
        report_lines.definition,
        report_lines.label,
        observation_window.as_of_at as as_of
    from report_lines
    cross join observation_window
)

select * from final
