"""Gives an integer programme to CP-SAT; run as a file, in a process of its own.

Its package and highspy each bring a HiGHS of their own and fail in one process, so this file
imports nothing of the project: ``python -I cpsat.py PROGRAMME.npz SECONDS WORKERS`` prints JSON.
"""

from __future__ import annotations

import json
import math
import sys
from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_matrix


def solve(path: str, seconds: float, workers: int) -> dict[str, Any]:
    """Return what CP-SAT found for the programme in a file.

    Args:
        path: As ``Programme.save`` writes it: columns are whole, costs in $ per hour.
        seconds: Time limit.
        workers: Threads.
    """
    model_builder: Any = import_module("ortools.linear_solver.python.model_builder")
    with np.load(path, allow_pickle=False) as file:
        given = dict(file)
    shape = (len(given["row_lower"]), len(given["cost"]))
    matrix = csr_matrix(csc_array((given["value"], given["index"], given["start"]), shape=shape))
    model = model_builder.Model()
    model.helper.fill_model_from_sparse_data(
        np.zeros(shape[1]), given["upper"], given["cost"],
        given["row_lower"], given["row_upper"], matrix,
    )  # fmt: skip
    for column in range(shape[1]):
        model.helper.set_var_integrality(column, True)
    model.helper.set_objective_offset(float(given["offset"]))
    solver = model_builder.Solver("sat")
    solver.set_time_limit_in_seconds(seconds)
    solver.set_solver_specific_parameters(f"num_workers:{workers},random_seed:0")
    status = solver.solve(model)
    has_plan = status in (model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE)
    bound = float(solver.best_objective_bound)
    return {
        "upper_usd": float(solver.objective_value) if has_plan else None,
        "lower_usd": bound if math.isfinite(bound) else None,
        "status": status.name.lower(),
    }


if __name__ == "__main__":
    print(json.dumps(solve(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))))
