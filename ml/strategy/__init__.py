"""How many regions does a service need: a readable forest beside the optimiser, never above it."""

from ml.strategy.run import StrategyResult, run
from ml.strategy.settings import StrategySettings

__all__ = ["StrategyResult", "StrategySettings", "run"]
