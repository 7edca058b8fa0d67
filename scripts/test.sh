#!/usr/bin/env bash
# Everything that decides whether a change lands; ends with pytest's summary.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/chromium.sh
scripts/lint.sh
echo "== tests"
exec .venv/bin/python -m pytest -n 2 --dist loadgroup "$@"
