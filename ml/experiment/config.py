"""The registered configuration of an experiment: read once, checked at the door, frozen."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from ml.experiment.config_designs import (
    Cluster,
    Frozen,
    Observational,
    Shadow,
    Switchback,
    Wedge,
)
from ml.experiment.signflip import min_blocks

DEFAULT_FILE = Path(__file__).with_name("experiment.yml")
SUCCESS_METRICS = ("latency_mean", "latency_p95", "latency_p99", "latency_p50", "cost_per_1m")
GUARDRAIL_KINDS: dict[str, str] = {
    "latency_p99": "margin_rel",
    "error_rate": "margin_abs",
    "slo_violation_rate": "margin_abs",
    "cost_per_1m": "margin_rel",
    "unserved_share": "exact",
    "max_region_utilisation": "max",
    "redundancy_min_regions": "exact",
    "one_region_loss_served_share": "margin_abs",
    "worst_top20_service_latency": "margin_rel",
    "moves": "max",
}
Mode = Literal[
    "twin", "switchback", "cluster_switchback", "stepped_wedge", "observational", "shadow"
]
_HIGHER_IS_BETTER = ("one_region_loss_served_share",)


class SettingsError(ValueError):
    """A configuration that is refused; the message names file, key, value and rule."""


class Plans(Frozen):
    """Kinds of plan in ``placement_runs`` that are compared.

    ``control`` may be ``random_matched:<seed>`` where nothing is known of today's placement: a
    random plan with the regions and instances that the treatment gives each service.
    """

    control: str = Field(default="current", pattern=r"^([a-z_]+|random_matched:\d+)$")
    treatment: str = Field(default="recommended", pattern=r"^[a-z_]+$")


class Baselines(Frozen):
    """Other plans the treatment is ranked among, and the evaluation days they run on."""

    random_matched: int = Field(default=200, ge=0)
    control_random_matched: int = Field(default=0, ge=0)
    days: int = Field(default=4, ge=1)
    greedy_nearest: bool = True
    cheapest: bool = True


class Evaluate(Frozen):
    """The evaluation period; ``from`` null means the day after training."""

    from_on: date | None = Field(default=None, alias="from")
    days: int = Field(default=28, ge=2, le=56)


class PrePeriod(Frozen):
    """Last days of the history, for the in-sample gain and the power."""

    days: int = Field(default=28, ge=2)


class Twin(Frozen):
    """Passes of the twin layer; see the comments in ``experiment.yml``."""

    days: int = Field(default=28, ge=1)
    replications: int = Field(default=30, ge=2)
    detail_replications: int = Field(default=30, ge=1)
    input_draws: int = Field(default=200, ge=0)
    input_days: int = Field(default=1, ge=1)
    input_windows: int = Field(default=4, ge=1)
    input_detail_draws: int = Field(default=0, ge=0)


class Inputs(Frozen):
    """Standard deviations of the logarithm of each uncertain factor."""

    rtt_scale: float = Field(default=0.05, ge=0, le=1)
    service_time_scale: float = Field(default=0.07, ge=0, le=1)
    capacity_scale: float = Field(default=0.05, ge=0, le=1)
    demand_scale: float = Field(default=0.10, ge=0, le=1)


class Margin(Frozen):
    """One margin of a guard rail; exactly one of the four kinds."""

    margin_rel: float | None = None
    margin_abs: float | None = None
    max: float | None = None
    exact: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [k for k in ("margin_rel", "margin_abs", "max", "exact") if self.of(k) is not None]
        if len(given) != 1:
            msg = f"margin == {given}, must have exactly one kind"
            raise ValueError(msg)
        return self

    def of(self, kind: str) -> float | str | None:
        """Return the value of one kind, None where it is not set."""
        value: float | str | None = getattr(self, kind)
        return value


class Metrics(Frozen):
    """Success metrics and guard rails."""

    success: tuple[str, ...]
    guardrails: dict[str, Margin]

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = [m for m in self.success if m not in SUCCESS_METRICS]
        unknown += [m for m in self.guardrails if m not in GUARDRAIL_KINDS]
        if unknown or not self.success or len(set(self.success)) < len(self.success):
            msg = f"metrics == {unknown or self.success}, must be known, unique and not empty"
            raise ValueError(msg)
        for name, margin in self.guardrails.items():
            value = margin.of(GUARDRAIL_KINDS[name])
            if value is None:
                msg = f"guardrails.{name}: margin kind must be {GUARDRAIL_KINDS[name]}"
                raise ValueError(msg)
            wrong = isinstance(value, float) and (
                value > 0 if name in _HIGHER_IS_BETTER else value < 0
            )
            if wrong:
                msg = f"guardrails.{name} == {value}, must have the sign of a worsening"
                raise ValueError(msg)
        return self


class Power(Frozen):
    """Size of the power simulation; ``days`` are the lengths that are planned for."""

    draws: int = Field(default=2000, ge=100)
    days: tuple[int, ...] = (14, 28, 56)
    effects: tuple[float, ...] = (0.02, 0.05, 0.10)


class Calibration(Frozen):
    """Size of the A/A runs; ``worlds`` distinct noise worlds share the coins of ``runs``."""

    runs: int = Field(default=4000, ge=100)
    worlds: int = Field(default=500, ge=10)
    canary_runs: int = Field(default=1000, ge=100)


class ExperimentSettings(Frozen):
    """Everything that is registered before the experiment runs."""

    schema_version: Literal[1] = 1
    experiment_id: str = Field(pattern=r"^[a-z0-9-]{3,40}$")
    mode: tuple[Mode, ...] = ("twin", "switchback")
    plans: Plans = Plans()
    aa: bool = False
    baselines: Baselines = Baselines()
    train_through: date | None = None
    evaluate: Evaluate = Evaluate()
    pre_period: PrePeriod = PrePeriod()
    twin: Twin = Twin()
    inputs: Inputs = Inputs()
    switchback: Switchback = Switchback()
    cluster: Cluster = Cluster()
    wedge: Wedge = Wedge()
    observational: Observational = Observational()
    shadow: Shadow = Shadow()
    seed: int
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    mde: dict[str, float] = Field(default_factory=dict)
    power: Power = Power()
    metrics: Metrics
    segments: tuple[Literal["origin", "tier", "traffic_decile"], ...] = ()
    calibration: Calibration = Calibration()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        floor = max(6, min_blocks(len(self.metrics.success), self.alpha))
        if "twin" not in self.mode:
            msg = f"mode == {self.mode}, must contain 'twin': it carries the gate"
            raise ValueError(msg)
        if self.switchback.min_blocks < floor:
            msg = f"switchback.min_blocks == {self.switchback.min_blocks}, must be >= {floor}"
            raise ValueError(msg)
        if "switchback" in self.mode and 2 * self.switchback.min_blocks > self.evaluate.days:
            msg = (
                f"switchback.min_blocks == {self.switchback.min_blocks}, must be at most half of "
                f"evaluate.days == {self.evaluate.days}"
            )
            raise ValueError(msg)
        if len(set(self.mode)) < len(self.mode):
            msg = f"mode == {self.mode}, must not name a design twice"
            raise ValueError(msg)
        unknown = sorted(set(self.mde) - set(SUCCESS_METRICS))
        if unknown:
            msg = f"mde == {unknown}, must be success metrics: {', '.join(SUCCESS_METRICS)}"
            raise ValueError(msg)
        if self.plans.control == "random_matched":
            msg = "plans.control == 'random_matched', must name its seed: random_matched:<seed>"
            raise ValueError(msg)
        if self.plans.control == self.plans.treatment and not self.aa:
            msg = f"plans == {self.plans.control!r} twice, must differ unless aa is true"
            raise ValueError(msg)
        if (
            self.train_through is not None
            and self.evaluate.from_on is not None
            and self.evaluate.from_on <= self.train_through
        ):
            msg = f"evaluate.from == {self.evaluate.from_on}, must be after {self.train_through}"
            raise ValueError(msg)
        return self


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = (
            _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged


def load_settings(
    path: Path | None = None, changes: dict[str, Any] | None = None
) -> ExperimentSettings:
    """Read and check a configuration.

    Args:
        path: YAML file of the user, laid over the packaged one; it holds only what differs.
        changes: Nested values laid over both, for tests and the command line.

    Raises:
        SettingsError: Naming file, key, value and rule.
    """
    raw = _read(DEFAULT_FILE)
    where = DEFAULT_FILE.name
    if path is not None:
        raw, where = _merge(raw, _read(path)), str(path)
    try:
        return ExperimentSettings.model_validate(_merge(raw, changes or {}))
    except ValidationError as error:
        said = [
            f"{'.'.join(map(str, e['loc'])) or 'experiment'}: {e['msg']}" for e in error.errors()
        ]
        raise SettingsError(f"{where}: {'; '.join(said)}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise SettingsError(f"{path}: must be keys and values, is a {type(raw).__name__}")
    return raw
