"""Push a plan out of the end of a descent: a service and its neighbours go somewhere together."""

from __future__ import annotations

import numpy as np

from ml.placement.problem.instance import Instance, Ints
from ml.placement.problem.subsets import SetSpace

_SEED = 20_260


def kicked(instance: Instance, space: SetSpace, chosen: Ints, home: Ints, number: int) -> Ints:
    """Return the plan after one push, drawn for its number.

    A service, weighted like any other, and whoever it calls or is called by move to one set, or
    back home. What does not pay is undone by the descent that follows.

    Args:
        instance: The problem.
        space: Its region sets.
        chosen: The plan, ``(S,)``.
        home: Today's plan.
        number: Which push.
    """
    rng = np.random.default_rng((_SEED, number))
    edges = instance.edges
    s = int(rng.integers(instance.n_services))
    near = np.concatenate(([s], edges.callee[edges.caller == s], edges.caller[edges.callee == s]))
    group = np.unique(near[~instance.is_fixed[near]])
    out = chosen.copy()
    if rng.random() < 0.5:
        out[group] = home[group]
    else:
        out[group] = int(rng.integers(len(space.sets)))
    return out


__all__ = ["kicked"]
