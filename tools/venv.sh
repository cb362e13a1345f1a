#!/usr/bin/env bash
# tools/venv.sh [REQUIREMENTS]: makes build/venv and, given a requirements file, installs it there, once per content.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -x build/venv/bin/pip ]; then
  rm -rf build/venv
  python3 -m venv build/venv
fi
[ $# -gt 0 ] || exit 0
stamp=build/venv/.$(sha256sum "$1" | cut -c1-16)
[ -f "$stamp" ] && exit 0
build/venv/bin/pip install --quiet --disable-pip-version-check --no-input -r "$1"
touch "$stamp"
