"""Published problems with known answers, through bounds and branching of our own.

They keep the certificate honest: a bound that is wrong shows here, where others know the answer.
"""

from ml.placement.facility.branch import Limits
from ml.placement.facility.branch import solve as _search
from ml.placement.facility.checker import violations
from ml.placement.facility.median import MedianTask
from ml.placement.facility.problem import Medians, NoPlanError, Plan, Solved, Warehouses
from ml.placement.facility.reading import DamagedFileError, Published, read
from ml.placement.facility.warehouse import WarehouseTask


def solve(problem: Warehouses | Medians, limits: Limits | None = None) -> Solved:
    """Return the best plan of a problem, proved unless a limit ends the search.

    Raises:
        NoPlanError: If no choice of sites serves everybody.
    """
    if isinstance(problem, Medians):
        return _search(MedianTask(problem), limits)
    return _search(WarehouseTask(problem), limits)


__all__ = [
    "DamagedFileError",
    "Limits",
    "Medians",
    "NoPlanError",
    "Plan",
    "Published",
    "Solved",
    "Warehouses",
    "read",
    "solve",
    "violations",
]
