{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}
-- Null is unknown, not out of range: completeness has its own tests.
{%- set low = '<' if inclusive else '<=' %}
{%- set high = '>' if inclusive else '>=' %}
select *
from {{ model }}
where
    false
    {%- if min_value is not none %}
    or {{ column_name }} {{ low }} {{ min_value }}
    {%- endif %}
    {%- if max_value is not none %}
    or {{ column_name }} {{ high }} {{ max_value }}
    {%- endif %}
{% endtest %}
