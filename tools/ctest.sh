#!/usr/bin/env bash
# tools/ctest.sh BUILD [ctest options]: runs the tests of a build folder, two at a time, and says after them how much
# of the golden input was really used. Exits as ctest does.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
shift
status=0
ctest --test-dir "$build" --parallel 2 --output-on-failure --no-tests=error "$@" || status=$?
python3 tools/golden_summary.py "$build/Testing/Temporary/LastTest.log"
exit "$status"
