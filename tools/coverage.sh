#!/usr/bin/env bash
# tools/coverage.sh BUILD PERCENT: runs the tests of an instrumented build, those against other implementations, of the
# program, of the library and with real clients among them, and fails below PERCENT of src/'s and include/'s lines. The
# report by line lies in BUILD/coverage.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
least=$2
profiles=$PWD/$build/profiles
rm -rf "$profiles"
mkdir -p "$profiles"
# %4m: a few files for each program, into which its processes merge what they add.
export LLVM_PROFILE_FILE="$profiles/%4m.profraw"
tools/ctest.sh "$build"
QUERN_BUILD=$build tools/world.sh
QUERN_BUILD=$build tools/clients.sh
unset LLVM_PROFILE_FILE
llvm-profdata-19 merge --sparse "$profiles"/*.profraw -o "$build/coverage.profdata"
# The program comes first: where several have a function that not all of them call, llvm-cov believes the first one.
# What it warns of as mismatched are the empty entries for the others.
programs=(--object "$build/quern")
while IFS= read -r program; do programs+=(--object "$program"); done \
  < <(find "$build/tests" "$build"/libquern.so* -type f -perm -u+x \
    \( -name 'test_*' -o -name 'quern*' -o -name 'libquern.so*' \) | sort)
common=(--instr-profile "$build/coverage.profdata" "${programs[@]}" --ignore-filename-regex '/(tests|apps|build)/|^/usr/')
llvm-cov-19 show "${common[@]}" >"$build/coverage.txt"
llvm-cov-19 report "${common[@]}" >"$build/coverage-by-file.txt"
llvm-cov-19 export --summary-only "${common[@]}" >"$build/coverage.json"
python3 tools/coverage_gate.py "$build/coverage.json" "$least"
