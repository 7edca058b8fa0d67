with

the_window as (
    select * from {{ ref('int_placement__window') }}
),

dataset as (
    select * from {{ ref('stg_raw__landed_dataset') }}
),

misroute as (
    select * from {{ ref('int_load__misroute') }}
),

final as (
    select
        dataset.dataset_kind,
        dataset.dataset_kind = 'synthetic' as is_synthetic,
        dataset.seed,
        the_window.first_on,
        the_window.last_on,
        -- The moment the last complete day ended: nothing later was known.
        cast({{ dbt.dateadd('day', 1, 'the_window.last_on') }} as timestamp) as as_of_at,
        cast(the_window.days as bigint) as days,
        cast(misroute.misroute_share as double) as misroute_share
    from dataset
    cross join the_window
    cross join misroute
)

select * from final
