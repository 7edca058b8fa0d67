{#- Run with `dbt run-operation test_macros` before any build: a wrong formula spoils every number. -#}
{% macro test_macros() %}
    {% set cases = [
        ('great circle, quarter of the equator', great_circle_km('0.0', '0.0', '0.0', '90.0'), 10007.5572),
        ('great circle, a place to itself', great_circle_km('10.0', '20.0', '10.0', '20.0'), 0),
        ('great circle, antipodes', great_circle_km('0.0', '0.0', '0.0', '180.0'), 20015.1144),
        ('great circle, across the date line', great_circle_km('0.0', '179.0', '0.0', '-179.0'), 222.3902),
        ('light bound, quarter of the equator', light_bound_ms('0.0', '0.0', '0.0', '90.0'), 97.5190),
        ('waiting share of M/M/1 is its utilisation', waiting_share('0.5', '1'), 0.5),
        ('hour of week, Monday midnight', hour_of_week("cast('2026-06-01' as date)", "cast('2026-06-01 00:00:00' as timestamp)"), 0),
        ('hour of week, Sunday last hour', hour_of_week("cast('2026-06-07' as date)", "cast('2026-06-07 23:00:00' as timestamp)"), 167),
        ('plain spelling', "case when " ~ plain_spelling("'US_EAST-1 '") ~ " = 'useast1' then 1 else 0 end", 1),
        ('infinite is outside', "case when " ~ is_outside("cast('infinity' as double)", 0, 5) ~ " then 1 else 0 end", 1),
        ('not a number is outside', "case when " ~ is_outside("cast('nan' as double)", 0, 5) ~ " then 1 else 0 end", 1),
        ('unknown is not outside', "case when " ~ is_outside("cast(null as double)", 0, 5) ~ " then 1 else 0 end", 0),
        ('residency list is valid', "case when " ~ is_invalid_residency("'EU;GB'") ~ " then 1 else 0 end", 0),
        ('residency word is invalid', "case when " ~ is_invalid_residency("'EUROPE'") ~ " then 1 else 0 end", 1),
        ('half a residency is invalid', "case when " ~ is_invalid_residency("'EU;;GB'") ~ " then 1 else 0 end", 1),
        ('normal distribution, its middle in millions', '1e6 * (' ~ normal_cdf('0.0') ~ ')', 500000.0),
        ('normal distribution, above', '1e6 * (' ~ normal_cdf('1.6448536269514722') ~ ')', 950000.0),
        ('normal distribution, below', '1e6 * (' ~ normal_cdf('-3.0') ~ ')', 1349.898),
        ('normal distribution, far out', '1e6 * (' ~ normal_cdf('40.0') ~ ')', 1000000.0),
    ] %}
    {% for name, expression, expected in cases %}
        {% set actual = run_query('select cast(' ~ expression ~ ' as double) as value').columns[0].values()[0] %}
        {% if (actual | float - expected) | abs > 0.001 %}
            {{ exceptions.raise_compiler_error(name ~ ': expected ' ~ expected ~ ', got ' ~ actual) }}
        {% endif %}
    {% endfor %}
    {{ log(cases | length ~ ' macro cases hold', info=true) }}
{% endmacro %}
