"""The optimiser's weights and rules as the user set them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regionwise.config import Settings
from regionwise.exits import Exit, Stop

if TYPE_CHECKING:
    from ml.placement import Policy

_SHARED = ("banned_regions", "move_budget", "interval_level")


def policy(settings: Settings) -> Policy:
    """Return the packaged weights and rules, then the user's file, then single settings.

    Raises:
        Stop: With exit code 2, naming file, key, value and the rule it broke.
    """
    from ml.placement import PolicyError, load_policy

    # A setting that nobody gave must not undo what the file says.
    given = {name: getattr(settings, name) for name in _SHARED if name in settings.model_fields_set}
    try:
        return load_policy(given, settings.placement)
    except PolicyError as error:
        raise Stop(Exit.USAGE, f"weights and rules refused: {error}") from error
