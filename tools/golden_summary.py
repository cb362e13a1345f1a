#!/usr/bin/env python3
"""golden_summary.py LOG: adds up the 'golden: N run, M skipped' lines of all test programs, and names what was missing."""
import re
import sys


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
        text = file.read()
    counts = re.findall(r"^golden: (\d+) run, (\d+) skipped", text, re.MULTILINE)
    missing = sorted(set(re.findall(r"golden input missing: \"?([^\"\n]+)", text)))
    for path in missing[:10]:
        print(f"golden input missing: {path}")
    if len(missing) > 10:
        print(f"golden input missing: {len(missing) - 10} more")
    print(f"golden: {sum(int(run) for run, _ in counts)} run, {sum(int(skipped) for _, skipped in counts)} skipped")


if __name__ == "__main__":
    main()
