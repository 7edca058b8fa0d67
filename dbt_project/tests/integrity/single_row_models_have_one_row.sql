-- What does it check? That the models that describe the whole data set have exactly one row.
-- When does it matter? They are cross joined everywhere: two rows would double every feature, none
-- would empty them.
-- How is it resolved? Look at data/raw/landed_dataset.parquet first, then at the window.
select
    'feat_window' as model_name,
    count(*) as row_count
from {{ ref('feat_window') }}
having count(*) <> 1

union all

select
    'int_placement__window' as model_name,
    count(*) as row_count
from {{ ref('int_placement__window') }}
having count(*) <> 1

union all

select
    'int_load__misroute' as model_name,
    count(*) as row_count
from {{ ref('int_load__misroute') }}
having count(*) <> 1

union all

select
    'stg_raw__landed_dataset' as model_name,
    count(*) as row_count
from {{ ref('stg_raw__landed_dataset') }}
having count(*) <> 1
