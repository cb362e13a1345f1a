#!/usr/bin/env bash
# The demo: the small model, fetched once, answers one question.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh python
model=$(python3 tools/fetch_model.py)
question="Name the capital city of France."
echo "> $question" >&2
exec build/release/quern run "$model" "$question" --temp 0 --max-tokens 64
