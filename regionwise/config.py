"""What a user decides: read once from ``regionwise.toml`` and ``REGIONWISE_*``, then frozen."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from regionwise.exits import Exit, Stop

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Choices of the user; what a modeller tunes is in each package's parameter file."""

    model_config = SettingsConfigDict(
        env_prefix="REGIONWISE_",
        env_file=".env",
        toml_file="regionwise.toml",
        extra="forbid",
        frozen=True,
    )

    data: Path = Field(default=ROOT / "data", description="Data folder; everything lives below it.")
    seed: int = Field(default=42, ge=0, description="Seed of the synthetic world.")
    services: int = Field(default=150, ge=25, le=20_000, description="Services to invent.")
    regions: int = Field(default=5, ge=2, le=30, description="Regions of the synthetic world.")
    days: int = Field(default=90, ge=30, le=400, description="Days of history to invent.")
    threads: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Threads of the warehouse; with 1, stages run one by one.",
    )
    memory_limit: str = Field(
        default="1200MB",
        pattern=r"^\d+(MB|GB)$",
        description="Memory the warehouse may use before it spills to disk.",
    )
    placement: Path | None = Field(
        default=None,
        description="Own weights and rules on top of the packaged placement.yml.",
    )
    banned_regions: tuple[str, ...] = Field(default=(), description="Regions no plan may use.")
    move_budget: int = Field(default=60, ge=0, description="Most regions a plan may add.")
    interval_level: float = Field(
        default=0.80, gt=0.5, lt=1.0, description="Level of the intervals on recommendations."
    )
    experiment: Path | None = Field(
        default=None, description="Your experiment.yml, laid over the packaged one."
    )
    stale_after_hours: int = Field(
        default=24, gt=0, description="Age of the newest evidence at which advice counts as stale."
    )
    keep_builds: int = Field(default=3, ge=1, description="Published builds kept for readers.")

    @field_validator("data", "placement", "experiment")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        # dbt and DuckDB resolve paths from wherever they were started.
        return None if value is None else value.expanduser().resolve()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over environment over ``.env`` over ``regionwise.toml``."""
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, toml


def load(**overrides: object) -> Settings:
    """Return the settings; ``overrides`` that are None count as not given.

    Raises:
        Stop: With exit code 2, naming the key and the rule it broke.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise Stop(Exit.USAGE, "configuration refused: " + "; ".join(lines)) from error
    except (ValueError, OSError) as error:
        raise Stop(Exit.USAGE, f"regionwise.toml cannot be read: {error}") from error
