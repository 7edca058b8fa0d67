"""Proves, or fails to prove, that a placement plan helps.

Control is the current plan, treatment the recommended one. :func:`run` is the only entry point the
front desk needs; a world (:class:`ml.experiment.world.World`) is what it runs the plans in.
"""

from ml.experiment.config import ExperimentSettings, load_settings
from ml.experiment.run import ExperimentResult, run
from ml.experiment.world import Outcomes, World

__all__ = ["ExperimentResult", "ExperimentSettings", "Outcomes", "World", "load_settings", "run"]
