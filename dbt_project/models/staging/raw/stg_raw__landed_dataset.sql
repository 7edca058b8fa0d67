select
    dataset_kind,
    description as dataset_description,
    seed,
    dataset_hash
from {{ source('raw', 'landed_dataset') }}
