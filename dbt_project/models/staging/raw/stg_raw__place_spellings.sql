with

places as (
    select * from {{ ref('stg_raw__places') }}
),

aliases as (
    select * from {{ ref('region_aliases') }}
),

-- `US_EAST_1` and `us-east-1` are one place once case and punctuation are gone.
spelled as (
    select
        {{ plain_spelling('places.place_id') }} as spelling,
        places.place_id,
        places.is_region
    from places

    union

    select
        {{ plain_spelling('aliases.alias') }} as spelling,
        places.place_id,
        places.is_region
    from aliases
    inner join places
        on aliases.region_id = places.place_id
),

-- A spelling that fits two places decides nothing: such rows need the exact id.
final as (
    select
        spelling,
        min(place_id) as place_id,
        bool_or(is_region) as is_region
    from spelled
    group by spelling
    having count(distinct place_id) = 1
)

select * from final
