with

quarantined as (
    select * from {{ ref('int_quality__quarantined_rows') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        quarantined.table_name,
        quarantined.file_name,
        cast(quarantined.line_number as bigint) as line_number,
        quarantined.rule_id,
        quarantined.reason,
        quarantined.original_values,
        observation_window.as_of_at as as_of
    from quarantined
    cross join observation_window
)

select * from final
