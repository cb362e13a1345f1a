#!/usr/bin/env bash
# tools/fuzz.sh BUILD SECONDS: builds the fuzz targets and runs each for so long, from its committed corpus
# (fuzz/NAME.corpus or fuzz/corpus/NAME) and dictionary (fuzz/NAME.dict). New inputs stay in BUILD; a finding is
# printed with the file that shows it.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
seconds=$2
shopt -s nullglob
sources=(fuzz/*_fuzz.cpp)
targets=()
for source in "${sources[@]}"; do targets+=("$(basename "$source" .cpp)"); done
[ ${#targets[@]} -gt 0 ] || { echo "quern: [fuzz] no fuzz/*_fuzz.cpp; expected at least one" >&2; exit 1; }
ninja -C "$build" -j "${JOBS:-$(nproc)}" "${targets[@]}"
passed=0
failed=0
for target in "${targets[@]}"; do
  name=${target%_fuzz}
  program=$(find "$build" -type f -name "$target" -perm -u+x | head -n 1)
  if [ -z "$program" ]; then
    echo "quern: [fuzz] $target was not built; expected a program of that name under $build" >&2
    failed=$((failed + 1))
    continue
  fi
  found=$build/corpus/$target
  findings=$build/findings/$target
  mkdir -p "$found" "$findings"
  arguments=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0
    -artifact_prefix="$findings/")
  for dictionary in "fuzz/$name.dict" "fuzz/$target.dict" "fuzz/dict/$name.dict"; do
    [ -f "$dictionary" ] && arguments+=(-dict="$dictionary")
  done
  corpora=("$found")
  for corpus in "fuzz/$name.corpus" "fuzz/corpus/$name" "fuzz/corpus/$target"; do
    [ -d "$corpus" ] && corpora+=("$corpus")
  done
  log=$build/$target.log
  if "$program" "${arguments[@]}" "${corpora[@]}" >"$log" 2>&1 </dev/null; then
    passed=$((passed + 1))
    echo "fuzz: $target: $(awk '/stat::number_of_executed_units:/ { print $NF }' "$log") runs in $seconds s, no finding"
  else
    failed=$((failed + 1))
    tail -n 40 "$log"
    echo "fuzz: $target: FAILED, see $log and $findings"
  fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
