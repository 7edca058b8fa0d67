{%- set tables = [
    'regions',
    'region_egress',
    'origins',
    'services',
    'service_dependencies',
    'regional_latency',
    'traffic_patterns',
    'service_placement',
    'service_latency_histogram',
] %}

with

rules as (
    select * from {{ ref('quality_rules') }}
),

rejected as (
    {% for table in tables -%}
    select
        '{{ table }}' as table_name,
        file_name,
        line_number,
        rejected_rule as rule_id,
        original_values
    from {{ ref('stg_raw__' ~ table ~ '__judged') }}
    where rejected_rule is not null

    union all

    {% endfor -%}
    select
        'service_placement' as table_name,
        file_name,
        line_number,
        'unit_error' as rule_id,
        original_values
    from {{ ref('int_latency__unit_errors') }}
),

final as (
    select
        rejected.table_name,
        rejected.file_name,
        rejected.line_number,
        rejected.rule_id,
        rules.reason,
        rules.remedy,
        rejected.original_values
    from rejected
    left join rules
        on rejected.rule_id = rules.rule_id
)

select * from final
