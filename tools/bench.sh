#!/usr/bin/env bash
# tools/bench.sh BUILD: runs the micro-benchmarks; medians of interleaved repetitions, so that a slow moment of the
# machine does not fall on one benchmark alone. BENCH_FILTER picks some.
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s nullglob
for source in bench/*_bench.cpp; do
  "$1/bench/$(basename "$source" .cpp)" --benchmark_filter="${BENCH_FILTER:-.}" --benchmark_repetitions=5 \
    --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
done
