{% test row_count_matches(model, compare_model, where=none, compare_where=none) %}
-- A lost or a fanned-out row shows as two different counts.
with

counted as (
    select
        (select count(*) from {{ model }}{% if where %} where {{ where }}{% endif %}) as row_count,
        (select count(*) from {{ compare_model }}{% if compare_where %} where {{ compare_where }}{% endif %})
            as expected_row_count
)

select * from counted
where row_count <> expected_row_count
{% endtest %}
