#!/usr/bin/env bash
# tools/bench.sh BUILD: runs the micro-benchmarks; medians of interleaved repetitions, so that a slow moment of the
# machine does not fall on one benchmark alone. BENCH_FILTER picks some.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "$1/bench/quern_bench" --benchmark_filter="${BENCH_FILTER:-.}" --benchmark_repetitions=5 \
  --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
