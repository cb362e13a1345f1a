#!/usr/bin/env bash
# tools/coverage.sh BUILD PERCENT: runs the tests of an instrumented build and fails below PERCENT of src/'s and
# include/'s lines. The report by line lies in BUILD/coverage.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
least=$2
profiles=$PWD/$build/profiles
rm -rf "$profiles"
mkdir -p "$profiles"
# %m tells the programs apart, %p the processes.
LLVM_PROFILE_FILE="$profiles/%m-%p.profraw" tools/ctest.sh "$build"
llvm-profdata-19 merge --sparse "$profiles"/*.profraw -o "$build/coverage.profdata"
programs=()
while IFS= read -r program; do programs+=(--object "$program"); done \
  < <(find "$build/tests" -maxdepth 1 -type f -name 'test_*' -perm -u+x | sort)
common=(--instr-profile "$build/coverage.profdata" "${programs[@]}" --ignore-filename-regex '/(tests|apps|build)/|^/usr/')
llvm-cov-19 show "${common[@]}" >"$build/coverage.txt"
llvm-cov-19 report "${common[@]}" >"$build/coverage-by-file.txt"
llvm-cov-19 export --summary-only "${common[@]}" >"$build/coverage.json"
python3 tools/coverage_gate.py "$build/coverage.json" "$least"
