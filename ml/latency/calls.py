"""What one request waits for each call, as tracing shows it and as the caller's history says."""

from __future__ import annotations

import pandas as pd

from ml.latency.graph import Fleet
from ml.latency.physics import Physics


def call_factors(fleet: Fleet, physics: Physics) -> pd.DataFrame:
    """Return the synchronous calls that the model knows, by caller and callee.

    Args:
        fleet: Services and their calls.
        physics: Fitted factors.

    Returns:
        Columns caller_service_id, callee_service_id, latency_factor (answer times of the callee
        that one request of the caller waits for) and traced_factor.
    """
    found = [
        {
            "caller_service_id": str(fleet.services[caller]),
            "callee_service_id": str(fleet.services[call.callee]),
            "latency_factor": physics.slopes.calls * float(factor),
            "traced_factor": call.factor,
        }
        for caller, calls in enumerate(fleet.calls)
        for call, factor in zip(calls, physics.own.factors[caller], strict=True)
    ]
    columns = ["caller_service_id", "callee_service_id", "latency_factor", "traced_factor"]
    return pd.DataFrame(found, columns=columns)
