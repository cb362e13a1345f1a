#!/usr/bin/env python3
"""coverage_gate.py SUMMARY.json PERCENT: prints line coverage, lowest files first, and fails below PERCENT in total."""
import json
import os
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)["data"][0]
    least = float(sys.argv[2])
    for entry in sorted(data["files"], key=lambda entry: entry["summary"]["lines"]["percent"])[:15]:
        lines = entry["summary"]["lines"]
        print(f"{lines['percent']:6.1f}%  {lines['covered']:5}/{lines['count']:<5}  {os.path.relpath(entry['filename'])}")
    total = data["totals"]["lines"]
    print(f"coverage: {total['percent']:.2f}% of {total['count']} lines; expected at least {least:g}%")
    return 0 if total["count"] > 0 and total["percent"] >= least else 1


if __name__ == "__main__":
    sys.exit(main())
