"""Optional terms of a plan's cost: carbon, and the price of rules that were declared elastic.

All of them are off by default. Where one is on, ``Instance.has_extra_terms`` says so: whoever
evaluates plans by other means must mirror :func:`extra_terms` or leave the work to
:func:`ml.placement.fleet.evaluate.assess`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.placement.problem.instance import Floats, Instance, Ints
from ml.placement.problem.slots import Slots

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class ExtraTerms:
    """Optional terms of services S x region sets X, $ per hour."""

    carbon: Floats
    elastic: Floats


def kg_per_vcpu_hour(instance: Instance) -> Floats:
    """Return kg of CO2 per vCPU-hour by region, ``(R,)``; NaN where the grid is not known."""
    if instance.carbon_g_per_kwh is None:
        return np.full(instance.n_regions, np.nan)
    # W x 1e-3 is kWh per hour, g x 1e-3 is kg.
    return instance.policy.watts_per_vcpu * instance.carbon_g_per_kwh * 1e-6


def extra_terms(
    instance: Instance,
    slots: Slots,
    instances: Ints,
    slo_share: Floats,
    served: Floats,
    added: Ints,
) -> ExtraTerms:
    """Return carbon and the price of broken elastic rules for every set of ``slots``.

    carbon = price x kg of every vCPU that runs; elastic = price x requests that miss a hard
    objective beyond what the demand share allows, plus the rent of vCPU in regions whose capacity
    is elastic and overrun, plus the price of each added region once the move budget is overrun,
    plus the price of requests that the worst loss of a region would drop.

    Args:
        instance: The problem; its policy and ``rent_usd``, ``move_rent_usd`` hold the prices.
        slots: Sums over clients.
        instances: ``(S, X, K)``.
        slo_share: Demand whose objective is met, ``(S, X)``.
        served: Demand served after the worst loss of a region, ``(S, X)``.
        added: Regions added against today, ``(S, X)``.
    """
    policy, services = instance.policy, slots.services
    nothing = np.zeros(slo_share.shape)
    if not instance.has_extra_terms:
        return ExtraTerms(nothing, nothing)
    vcpu = instances * instance.cpu_cores[services][:, None, None] * slots.used
    carbon, elastic = nothing, nothing.copy()
    if instance.carbon_priced:
        price = (policy.carbon_usd_per_kg or 0.0) * np.nan_to_num(kg_per_vcpu_hour(instance))
        carbon = (vcpu * price[slots.region]).sum(axis=2)
    demand = slots.mean.sum(axis=2)
    if policy.region_loss_usd_per_request is not None:
        dropped = np.maximum(0.0, 1.0 - served) * demand
        elastic += _SECONDS_PER_HOUR * policy.region_loss_usd_per_request * dropped
    if policy.elastic_slo_usd_per_request is not None:
        hard = ~np.isnan(instance.slo_ms[services])[:, None]
        missed = np.where(hard, np.maximum(0.0, policy.slo_demand_share - slo_share), 0.0)
        elastic += _SECONDS_PER_HOUR * policy.elastic_slo_usd_per_request * missed * demand
    if instance.rent_usd is not None:
        elastic += (vcpu * instance.rent_usd[slots.region]).sum(axis=2)
    return ExtraTerms(carbon, elastic + added * instance.move_rent_usd)
