{#- Case and punctuation gone: the form in which two spellings of one id meet. -#}
{% macro plain_spelling(expression) -%}
    lower({{ remove_pattern(expression, '[^A-Za-z0-9]') }})
{%- endmacro %}

{#- Each way one column writes a place, with the place it means. An exact id wins over a spelling. -#}
{% macro resolve_places(relation, column, spellings) -%}
    select
        written.{{ column }} as written_as,
        coalesce(exact_places.place_id, {{ spellings }}.place_id) as place_id,
        coalesce(exact_places.is_region, {{ spellings }}.is_region) as is_region
    from (select distinct {{ column }} from {{ relation }}) as written
    left join {{ ref('stg_raw__places') }} as exact_places
        on trim(written.{{ column }}) = exact_places.place_id
    left join {{ spellings }}
        on {{ plain_spelling('written.' ~ column) }} = {{ spellings }}.spelling
    where coalesce(exact_places.place_id, {{ spellings }}.place_id) is not null
{%- endmacro %}

{#- True for a known value outside its bounds, infinite and not-a-number included. -#}
{% macro is_outside(column, low, high) -%}
    not coalesce({{ column }} between {{ low }} and {{ high }}, true)
{%- endmacro %}

{% macro is_outside_sane_dates(column) -%}
    not ({{ column }} >= cast('{{ var("first_sane_on") }}' as date)
        and {{ column }} < cast('{{ var("last_sane_on") }}' as date))
{%- endmacro %}

{% macro is_invalid_continent(column) -%}
    coalesce({{ column }} not in ('AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'), false)
{%- endmacro %}

{#- Shape only: the list of countries changes more often than this project. -#}
{% macro is_invalid_country(column) -%}
    coalesce({{ remove_pattern(column, '^[A-Z][A-Z]$') }} <> '', false)
{%- endmacro %}

{% macro is_invalid_residency(column) -%}
    coalesce({{ remove_pattern(column, '^[A-Z][A-Z](;[A-Z][A-Z])*;?$') }} <> '', false)
{%- endmacro %}

{#- Shortest possible round trip in fibre, after forgiving the error of the coordinates. -#}
{% macro light_bound_ms(latitude_a, longitude_a, latitude_b, longitude_b) -%}
    2 * ({{ great_circle_km(latitude_a, longitude_a, latitude_b, longitude_b) }}
        - {{ var('coordinate_error_km') }}) / {{ var('fibre_km_per_ms') }}
{%- endmacro %}

{#- Rows that share a key: the values of the last one in file order win, and one copy of them stays.
    Only rows that broke no other rule compete, so a bad late row never drives out a good one. -#}
{% macro settle_repeats(relation, keys, payload) -%}
repeated as (
    select
        {{ keys | join(',\n        ') }}
    from {{ relation }}
    where broken_rule is null
    group by
        {{ keys | join(',\n        ') }}
    having count(*) > 1
),

contested as (
    select
        {%- for key in keys %}
        {{ relation }}.{{ key }},
        {%- endfor %}
        {{ relation }}.file_name,
        {{ relation }}.line_number,
        md5(concat_ws('|'
            {%- for column in payload %}, coalesce(cast({{ relation }}.{{ column }} as {{ dbt.type_string() }}), '?'){% endfor -%}
        )) as fingerprint
    from {{ relation }}
    inner join repeated
        on {% for key in keys %}{{ relation }}.{{ key }} = repeated.{{ key }}{{ '\n        and ' if not loop.last }}{% endfor %}
    where {{ relation }}.broken_rule is null
),

ordered as (
    select
        file_name,
        line_number,
        fingerprint,
        last_value(fingerprint) over (
            partition by {{ keys | join(', ') }}
            order by file_name, line_number
            rows between unbounded preceding and unbounded following
        ) as last_fingerprint,
        row_number() over (
            partition by {{ keys | join(', ') }}, fingerprint
            order by file_name, line_number
        ) as copy_number
    from contested
),

settled as (
    select
        file_name,
        line_number,
        case
            when fingerprint <> last_fingerprint then 'superseded_row'
            when copy_number > 1 then 'duplicate_row'
        end as repeat_rule
    from ordered
)
{%- endmacro %}
