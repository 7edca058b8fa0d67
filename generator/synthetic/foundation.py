"""What is fixed before any day begins: geography, services, graph, users, attributes."""

from __future__ import annotations

from dataclasses import dataclass

from generator.synthetic.attributes import Attributes, make_attributes
from generator.synthetic.demand import Users, make_users
from generator.synthetic.entities import Services, make_services
from generator.synthetic.facts import Geography, load_geography
from generator.synthetic.graph import Graph, make_graph
from generator.synthetic.params import Params, load_params


@dataclass(frozen=True)
class Foundation:
    """A world before its first day."""

    seed: int
    params: Params
    geography: Geography
    services: Services
    graph: Graph
    users: Users
    attributes: Attributes


def make_foundation(seed: int, services: int, regions: int) -> Foundation:
    """Return the fixed part of a world.

    Args:
        seed: Seed of the world.
        services: Number of services.
        regions: Number of regions, the first of ``facts/regions.csv``.

    Raises:
        ValueError: If a size is outside what the facts and blocks allow.
    """
    params = load_params()
    geography = load_geography(seed, regions, params.network)
    fleet = make_services(seed, services, params)
    graph = make_graph(seed, fleet)
    users = make_users(seed, fleet, geography.numbers("demand_weight"), params.demand)
    attributes = make_attributes(seed, fleet, geography)
    return Foundation(seed, params, geography, fleet, graph, users, attributes)
