{#
    Distribution function of a standard normal, to fourteen digits: J. F. Hart's rational approximation
    of 1968, as G. West gives it (Better approximations to cumulative normal functions, Wilmott, 2005).
    Beyond seven standard deviations what is left, 1e-12, counts as nothing.
#}
{% macro normal_cdf(z) -%}
    {%- set y = 'abs(cast(' ~ z ~ ' as double))' -%}
    {%- set upper = [3.52624965998911e-2, 0.700383064443688, 6.37396220353165, 33.912866078383,
                     112.079291497871, 221.213596169931, 220.206867912376] -%}
    {%- set lower = [8.83883476483184e-2, 1.75566716318264, 16.064177579207, 86.7807322029461,
                     296.564248779674, 637.333633378831, 793.826512519948, 440.413735824752] -%}
    {%- set ns = namespace(up='0.0', low='0.0') -%}
    {%- for c in upper -%}{%- set ns.up = '(' ~ ns.up ~ ' * ' ~ y ~ ' + ' ~ c ~ ')' -%}{%- endfor -%}
    {%- for c in lower -%}{%- set ns.low = '(' ~ ns.low ~ ' * ' ~ y ~ ' + ' ~ c ~ ')' -%}{%- endfor -%}
    {%- set tail = 'exp(-least(' ~ y ~ ', 40.0) * least(' ~ y ~ ', 40.0) / 2) * ' ~ ns.up ~ ' / ' ~ ns.low -%}
    case
        when {{ z }} > 7.0 then 1.0
        when {{ z }} < -7.0 then 0.0
        when {{ z }} > 0 then 1.0 - {{ tail }}
        else {{ tail }}
    end
{%- endmacro %}
