"""Judges whole tables with Great Expectations: raw files before dbt, predictions before the marts.

dbt tests rows and keys of what it built; it cannot see that a file is all zeros, in another unit,
or half empty. These suites look at tables as wholes: layout, shares, distributions, coverage.
They run as a process of their own, ``python -m regionwise.judge raw|predictions``, because the
library takes seconds and many modules to import.
"""

from __future__ import annotations

import os

# Before the library is imported anywhere: it would report its use over the network.
os.environ["GX_ANALYTICS_ENABLED"] = "False"

from regionwise.judge.model import Batch, Check, Failure, Judgement

__all__ = ["Batch", "Check", "Failure", "Judgement"]
