"""How fast would a service be in a region: physics, a learned correction, an interval."""

from ml.latency.run import LatencyResult, run
from ml.latency.settings import LatencySettings

__all__ = ["LatencyResult", "LatencySettings", "run"]
