"""``python -m regionwise.judge raw|predictions``: exit 0, 3 (raw) or 4 (predictions)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from regionwise.judge import verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, print what failed, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m regionwise.judge", description=__doc__)
    parser.add_argument("kind", choices=sorted(verdict.EXIT_CODES))
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("REGIONWISE_DATA", "data"))
    )
    options = parser.parse_args(arguments)
    judgement = verdict.judge(options.kind, options.data.resolve())
    if not judgement.failures:
        print(verdict.words(judgement))
        return 0
    print(verdict.words(judgement), file=sys.stderr)
    return verdict.EXIT_CODES[judgement.kind]


if __name__ == "__main__":
    sys.exit(main())
