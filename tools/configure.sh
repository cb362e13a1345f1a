#!/usr/bin/env bash
# tools/configure.sh PRESET: configures build/PRESET, once; ninja configures again by itself when a CMake file changes.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
# A half-written cache (an interrupted first configure) has no build.ninja and is configured anew.
[ -f "build/$preset/build.ninja" ] && [ "build/$preset/build.ninja" -nt CMakePresets.json ] && exit 0
mkdir -p build
log=build/configure-$preset.log
if ! cmake --preset "$preset" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
touch "build/$preset/build.ninja"
