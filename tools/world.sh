#!/usr/bin/env bash
# Runs tests/world/*_world.py: comparisons with other implementations, which pip brings into build/venv.
# The build folder is QUERN_BUILD, else build/release. Without a reachable package index they are skipped, visibly,
# unless CI=true or QUERN_REQUIRE_WORLD=1.
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s nullglob
scripts=(tests/world/*_world.py)
. tools/need_packages.sh
need_packages world tests/world/requirements.txt ${#scripts[@]}
status=0
for script in "${scripts[@]}"; do
  echo "world: $script"
  arguments=()
  # This one takes its program as an argument.
  [ "$script" = tests/world/jinja_world.py ] && arguments+=("${QUERN_BUILD:-build/release}/tests/world/quern_world_render")
  build/venv/bin/python "$script" "${arguments[@]}" || status=1
done
exit "$status"
