#!/usr/bin/env bash
# tools/neon.sh BUILD: runs the tests of what depends on the machine under qemu: once as it emulates its largest 64-bit
# ARM machine, and what chooses the kernels once more as on one without dot products. Text and files are among it: a char
# is unsigned there.
# Emulation tells whether the kernels compute what they should, and nothing about their speed.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
tests=$build/tests
for test in base tensor text gguf kernels parity; do
  start=$SECONDS
  log=$build/test_$test.log
  if ! qemu-aarch64-static -cpu max "$tests/test_$test" --gtest_brief=1 >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
  fi
  counts=$(sed -nE 's/^\[  (PASSED|SKIPPED) +\] ([0-9]+) tests?.*/\2 \L\1/p' "$log" | paste -sd,)
  echo "neon: test_$test: ${counts//,/, } in $((SECONDS - start)) s"
done
for test in base kernels; do
  qemu-aarch64-static -cpu cortex-a53 "$tests/test_$test" --gtest_brief=1 --gtest_filter='CpuFeatures.*:ChooseKernels.*'
done
