"""Where every service should run, how far from best that can be, and why not elsewhere.

``run`` is the stage. ``read_instance`` and the plan functions serve the experiment.
"""

from ml.placement.errors import InfeasibleError
from ml.placement.problem.instance import Instance
from ml.placement.problem.policy import Policy, PolicyError, load_policy
from ml.placement.problem.reading import read_instance
from ml.placement.run import CheckerError, PlacementResult, run
from ml.placement.search.plans import cheapest, greedy_nearest, placements, random_matched_plans
from ml.placement.search.solve import Solution, solve

__all__ = [
    "CheckerError",
    "InfeasibleError",
    "Instance",
    "PlacementResult",
    "Policy",
    "PolicyError",
    "Solution",
    "cheapest",
    "greedy_nearest",
    "load_policy",
    "placements",
    "random_matched_plans",
    "read_instance",
    "run",
    "solve",
]
