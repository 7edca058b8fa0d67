{% test expression_is_true(model, expression, column_name=none) %}
-- Null counts as a failure: an expression that cannot be decided is not known to hold.
select *
from {{ model }}
where not coalesce({{ column_name ~ ' ' if column_name else '' }}{{ expression }}, false)
{% endtest %}
