{%- set steps = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] %}

with

the_window as (
    select * from {{ ref('int_placement__window') }}
),

steps as (
    {% for step in steps -%}
    select {{ step }} as step
    {%- if not loop.last %}
    union all
    {% endif -%}
    {% endfor %}
),

-- Every 14 days back from the last day, as long as 28 days lie before the cut. The last day
-- itself always cuts, with whatever history there is.
final as (
    select
        cast({{ dbt.dateadd('day', '-14 * steps.step', 'the_window.last_on') }} as date) as cut_on,
        steps.step > 0 as has_next_14_days
    from the_window
    cross join steps
    where steps.step = 0 or the_window.days - 14 * steps.step >= 28
)

select * from final
