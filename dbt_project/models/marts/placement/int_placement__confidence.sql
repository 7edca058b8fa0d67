{%- set bounds = var('risk_bounds') -%}
with

effects as (
    select * from {{ ref('int_placement__plan_effects') }}
    where plan_kind = 'recommended'
),

caps as (
    select * from {{ ref('int_placement__confidence_caps') }}
),

outcomes as (
    select * from {{ ref('int_placement__outcomes') }}
),

strictest_caps as (
    select
        service_id,
        reason_code,
        cap_level,
        row_number() over (
            partition by service_id
            order by cap_level, reason_code
        ) as strictness
    from caps
),

risks as (
    select
        service_id,
        worse_probability,
        least(worse_probability, 1 - worse_probability) as error_probability,
        case
            when worse_probability < {{ bounds[0] }} then 0
            when worse_probability < {{ bounds[1] }} then 1
            when worse_probability < {{ bounds[2] }} then 2
            when worse_probability < {{ bounds[3] }} then 3
            else 4
        end as risk_level
    from effects
),

-- 3 high, 2 medium, 1 low: how sure the intervals are of the direction, better or worse, before
-- missing data cap it. A forced move that surely costs money is risky and certain at once.
uncapped as (
    select
        risks.*,
        case
            -- Staying for want of data is not staying because it is best.
            when outcomes.outcome = 'INSUFFICIENT_DATA' then 1
            when risks.error_probability < {{ bounds[1] }} then 3
            when risks.error_probability < {{ bounds[2] }} then 2
            else 1
        end as own_level
    from risks
    left join outcomes
        on risks.service_id = outcomes.service_id
),

final as (
    select
        uncapped.service_id,
        uncapped.worse_probability,
        uncapped.risk_level,
        case least(uncapped.own_level, coalesce(strictest_caps.cap_level, 3))
            when 3 then 'high'
            when 2 then 'medium'
            else 'low'
        end as confidence,
        -- A cap that lowers nothing is not named.
        case when strictest_caps.cap_level < uncapped.own_level then strictest_caps.reason_code end
            as confidence_cap_code
    from uncapped
    left join strictest_caps
        on uncapped.service_id = strictest_caps.service_id
        and strictest_caps.strictness = 1
)

select * from final
