"""What somebody asks about the plan: other weights, prices, rules, or a region that is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ml.placement.problem.instance import BANNED, Floats, Instance
from ml.placement.problem.policy import PolicyError
from ml.placement.problem.reading_rules import with_own_rules

Factors = tuple[tuple[str, float], ...]
T = TypeVar("T")


class ScenarioError(ValueError):
    """A scenario cannot be asked of this fleet; the message names the value and the rule."""


@dataclass(frozen=True)
class Scenario:
    """Changes against the build; the default changes nothing.

    Attributes:
        waiting_factor: Worth of a millisecond, as a multiple of the configured one.
        slo_factor: Latency objectives, as a multiple of the stated ones.
        banned: Regions given up on purpose: services leave them within the move budget.
        lost: Regions that are gone: what is left has to do. Numbers of regions are asked for only
            as far as regions are left, and the move budget and the rules that compare with today
            (survival of a loss, slowdowns) are lifted.
        prices: Factor on the prices of instances, by region.
        capacities: Factor on the vCPU that may be used, by region.
        min_regions: Fewest regions of every service; None keeps each service's own.
        move_budget: Regions that may be added; None keeps the configured number.
        no_move_budget: Lifts the move budget.
        frozen: Services that stay where they run today.
        pinned: Services that run in exactly these regions.
    """

    waiting_factor: float = 1.0
    slo_factor: float = 1.0
    banned: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    prices: Factors = ()
    capacities: Factors = ()
    min_regions: int | None = None
    move_budget: int | None = None
    no_move_budget: bool = False
    frozen: tuple[str, ...] = ()
    pinned: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def words(self) -> str:
        """The scenario in one line; ``nothing changed`` for the default."""
        parts = []
        if self.waiting_factor != 1:
            parts.append(f"waiting worth x {self.waiting_factor:g}")
        if self.slo_factor != 1:
            parts.append(f"latency objectives x {self.slo_factor:g}")
        parts += [f"{region} banned" for region in self.banned]
        parts += [f"{region} lost" for region in self.lost]
        parts += [f"prices in {region} x {factor:g}" for region, factor in self.prices]
        parts += [f"capacity in {region} x {factor:g}" for region, factor in self.capacities]
        if self.min_regions is not None:
            parts.append(f"at least {self.min_regions} regions for every service")
        if self.no_move_budget:
            parts.append("no move budget")
        elif self.move_budget is not None:
            parts.append(f"move budget {self.move_budget}")
        parts += [f"{service} frozen" for service in self.frozen]
        parts += [f"{service} pinned to {'+'.join(regions)}" for service, regions in self.pinned]
        return ", ".join(parts) or "nothing changed"


def applied(instance: Instance, scenario: Scenario) -> Instance:
    """Return the problem that the scenario describes.

    Raises:
        ScenarioError: If it names an unknown region or service, or a value makes no sense.
    """
    regions, services = _lookup(instance.region_ids), _lookup(instance.service_ids)
    for name, factor in (
        ("waiting_factor", scenario.waiting_factor),
        ("slo_factor", scenario.slo_factor),
        *((f"prices.{region}", f) for region, f in scenario.prices),
        *((f"capacities.{region}", f) for region, f in scenario.capacities),
    ):
        if not 0 <= factor < float("inf"):
            raise ScenarioError(f"{name} == {factor}, must be finite and not negative")
    if scenario.slo_factor == 0:
        raise ScenarioError("slo_factor == 0, must be positive")
    price = _factors(scenario.prices, regions, instance.n_regions)
    room = _factors(scenario.capacities, regions, instance.n_regions)
    for region, _ in scenario.capacities:
        if np.isinf(instance.capacity_vcpu[regions(region)]):
            raise ScenarioError(f"capacities.{region}: no capacity is known for {region}")
    fixed = instance.is_fixed.copy()
    fixed[[services(name) for name in scenario.frozen]] = True
    changed = replace(
        instance,
        usd_per_request_ms=instance.usd_per_request_ms * scenario.waiting_factor,
        slo_ms=instance.slo_ms * scenario.slo_factor,
        slo_stated_ms=instance.slo_stated_ms * scenario.slo_factor,
        vcpu_usd=instance.vcpu_usd * price,
        memory_usd=instance.memory_usd * price,
        capacity_vcpu=instance.capacity_vcpu * room,
        is_fixed=fixed,
    )
    changed = _with_limits(_closed(changed, scenario, regions), scenario)
    return _pinned(changed, scenario)


def _lookup(ids: tuple[str, ...]) -> Callable[[str], int]:
    def find(name: str) -> int:
        if name not in ids:
            listed = ", ".join(ids) if len(ids) <= 40 else f"{len(ids)} others"
            raise ScenarioError(f"{name} is not known; there are: {listed}")
        return ids.index(name)

    return find


def _factors(given: Factors, find: Callable[[str], int], n: int) -> Floats:
    out = np.ones(n)
    for name, factor in given:
        out[find(name)] *= factor
    return out


def _closed(instance: Instance, scenario: Scenario, find: Callable[[str], int]) -> Instance:
    """Close banned and lost regions; lift what a loss makes pointless."""
    blocker = instance.blocker.copy()
    texts = [list(row) for row in instance.blocker_evidence]
    for word, names in (("banned", scenario.banned), ("lost", scenario.lost)):
        for r in map(find, names):
            for s in np.flatnonzero(blocker[:, r] == 0):
                texts[s][r] = f"{word} in this scenario"
            blocker[blocker[:, r] == 0, r] = BANNED
    if len({*scenario.banned, *scenario.lost}) == instance.n_regions:
        raise ScenarioError("every region is banned or lost; at least one must be left")
    changed = replace(
        instance, blocker=blocker, blocker_evidence=tuple(tuple(row) for row in texts)
    )
    if not scenario.lost:
        return changed
    left = (blocker == 0).sum(axis=1)
    policy = replace(
        instance.policy, move_budget=None, keep_loss_survival=False, slowdown_limit_share=None
    )
    return replace(
        changed,
        policy=policy,
        min_regions=np.minimum(instance.min_regions, np.maximum(1, left)),
        loss_proof=instance.loss_proof & (left >= 2),
    )


def _with_limits(instance: Instance, scenario: Scenario) -> Instance:
    policy, least = instance.policy, instance.min_regions
    if scenario.no_move_budget:
        policy = replace(policy, move_budget=None)
    elif scenario.move_budget is not None:
        if scenario.move_budget < 0:
            raise ScenarioError(f"move_budget == {scenario.move_budget}, must be at least 0")
        policy = replace(policy, move_budget=scenario.move_budget)
    if scenario.min_regions is not None:
        if not 1 <= scenario.min_regions <= instance.n_regions:
            raise ScenarioError(
                f"min_regions == {scenario.min_regions}, must lie in [1, {instance.n_regions}]"
            )
        least = np.maximum(least, scenario.min_regions)
    return replace(instance, policy=policy, min_regions=least)


def _pinned(instance: Instance, scenario: Scenario) -> Instance:
    if not scenario.pinned:
        return instance
    facts = {"min_regions": instance.min_regions, "max_regions": instance.max_regions}
    policy = replace(instance.policy, pinned_services=scenario.pinned, region_limits=())
    for service, regions in scenario.pinned:
        if not 1 <= len(regions) <= policy.max_regions_cap:
            raise ScenarioError(
                f"pinned.{service} == {regions}, must name 1 to {policy.max_regions_cap} regions"
            )
    try:
        blocker, evidence = with_own_rules(
            policy,
            instance.service_ids,
            instance.region_ids,
            instance.blocker,
            instance.blocker_evidence,
            facts,
        )
    except PolicyError as error:
        raise ScenarioError(str(error)) from error
    return replace(
        instance,
        blocker=blocker,
        blocker_evidence=evidence,
        min_regions=facts["min_regions"],
        max_regions=facts["max_regions"],
    )
