#!/usr/bin/env bash
# Lint, types and import rules: the cheap checks, first.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
echo "== format and lint"; $bin/ruff format --check --quiet . && $bin/ruff check --quiet .
echo "== types"; $bin/mypy
echo "== import rules"; $bin/lint-imports
echo "== SQL"; REGIONWISE_DATA=${REGIONWISE_DATA:-$PWD/data} $bin/sqlfluff lint --disable-progress-bar --processes 2 dbt_project/models
# Queries stand outside the dbt project: plain SQL, so no templater.
$bin/sqlfluff lint --disable-progress-bar --templater raw queries
