#!/usr/bin/env bash
# Runs tests/clients/*_test.py: the real clients, which pip brings into build/venv, against the built program.
# The build folder is QUERN_BUILD, else build/release. Without a reachable package index they are skipped, visibly,
# unless CI=true or QUERN_REQUIRE_WORLD=1.
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s nullglob
scripts=(tests/clients/*_test.py)
. tools/need_packages.sh
need_packages clients tests/clients/requirements.txt ${#scripts[@]}
status=0
for script in "${scripts[@]}"; do
  echo "clients: $script"
  build/venv/bin/python "$script" "${QUERN_BUILD:-build/release}/quern" || status=1
done
exit "$status"
