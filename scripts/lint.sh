#!/usr/bin/env bash
# Lint, types and import rules: the cheap checks, first.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
echo "== format and lint"; $bin/ruff format --check --quiet . && $bin/ruff check --quiet .
echo "== types"; $bin/mypy
echo "== import rules"; $bin/lint-imports
echo "== SQL"
# The templater opens the database it lints for: an empty one of its own, never a user's.
data=$(mktemp -d); trap 'rm -rf "$data"' EXIT
mkdir "$data/build"
REGIONWISE_DATA=$data $bin/sqlfluff lint --disable-progress-bar --processes 2 dbt_project/models
$bin/sqlfluff lint --disable-progress-bar --templater raw queries
