#!/usr/bin/env bash
# Builds examples/python in a virtual environment of its own and runs its tests.
set -euo pipefail
cd "$(dirname "$0")/../examples/python"
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "skipped: python3 with venv is missing (scripts/install-peers.sh installs it)"
    [ "${CI:-}" != true ]
    exit
fi
venv=../../target/python
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.5,<2'
"$venv/bin/maturin" build --quiet --locked --target-dir ../../target/python-build --out "$venv/wheels" --interpreter "$venv/bin/python"
"$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall "$venv"/wheels/genlock-*.whl
"$venv/bin/python" -m unittest discover --start-directory tests
