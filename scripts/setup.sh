#!/usr/bin/env bash
# Makes the environment from a hashed lock: with uv where it is, else with venv and pip.
# usage: scripts/setup.sh VENV LOCK
set -euo pipefail
venv=$1 lock=$2
root=$(cd "$(dirname "$0")/.." && pwd)

works() { "$1" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; }

# Names on PATH may be shims that fail, so each candidate is run before it is believed.
find_python() {
    local candidate path
    for candidate in python3.13 python3.12 python3.11 python3 "$HOME"/.pyenv/versions/3.1[123]*/bin/python3; do
        path=$(command -v "$candidate" 2>/dev/null) || continue
        if works "$path"; then "$path" -c 'import sys; print(sys.executable)'; return; fi
    done
    echo "regionwise needs Python 3.11, 3.12 or 3.13 with venv; on Debian: apt-get install python3 python3-venv" >&2
    return 1
}

python=$(find_python)
if [ ! -x "$venv/bin/python" ] || ! works "$venv/bin/python"; then
    rm -rf "$venv"
    echo "making $venv with $python"
    "$python" -m venv "$venv" || { echo "venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }
fi
echo "installing $lock (once; later runs skip this)"
if command -v uv >/dev/null 2>&1; then
    uv pip sync --quiet --python "$venv/bin/python" --compile-bytecode "$root/$lock"
else
    # The lock is complete: older pips trip over extras when they resolve a hashed file again.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$root/$lock"
fi
# The project itself, editable; its build tool is in the lock, so nothing is fetched for it.
if command -v uv >/dev/null 2>&1; then
    uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable "$root"
else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable "$root"
fi
