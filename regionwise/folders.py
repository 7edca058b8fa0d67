"""Where things lie in the data folder: one place, so that no path is spelled twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """The data folder and what is in it."""

    data: Path

    @property
    def raw(self) -> Path:
        """Landed raw tables, replaced as a set."""
        return self.data / "raw"

    @property
    def truth(self) -> Path:
        """What the synthetic world really is; neither dbt nor ``ml/`` may look."""
        return self.data / "truth"

    @property
    def build(self) -> Path:
        """Working files of one build."""
        return self.data / "build"

    @property
    def warehouse(self) -> Path:
        """The database that dbt writes; readers use the published one."""
        return self.build / "warehouse.duckdb"

    @property
    def predictions(self) -> Path:
        """What ``ml/`` decided."""
        return self.data / "predictions"

    @property
    def models(self) -> Path:
        """Model artefacts by content hash."""
        return self.data / "models"

    @property
    def serving(self) -> Path:
        """Published builds and the pointer to the current one."""
        return self.data / "serving"

    @property
    def pointer(self) -> Path:
        """Names the build that readers see; replaced in one step, last."""
        return self.serving / "current.json"

    @property
    def decisions(self) -> Path:
        """What people decided; outside every build."""
        return self.data / "decisions"

    @property
    def runs(self) -> Path:
        """Run reports."""
        return self.data / "runs"

    @property
    def lock(self) -> Path:
        """Held by the build that is running."""
        return self.data / ".build.lock"
