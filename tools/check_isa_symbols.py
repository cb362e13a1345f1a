#!/usr/bin/env python3
"""check_isa_symbols.py BUILD: object files compiled with instruction-set flags must define no weak symbols.

An inline function or template that such a file emits is a weak symbol. The linker keeps one copy for the whole program,
so baseline code could end up running the AVX-512 copy on a machine that lacks it.
"""
import json
import pathlib
import re
import shlex
import subprocess
import sys

ISA_FLAG = re.compile(r"-m(avx|sse[34]|ssse|fma|f16c|bmi|amx|arch=|cpu=)")
ISA_FOLDER = re.compile(r"src/kernels/(avx2|avx512\w*|amx|neon|sve)/")
WEAK = re.compile(r"^[0-9a-fA-F]+\s+([WVu])\s+(.*)$")


def isa_objects(build):
    """Paths of the objects that carry instruction-set flags, or lie in a folder of such kernels."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        flags = shlex.split(entry["command"])
        if any(ISA_FLAG.match(flag) for flag in flags) or ISA_FOLDER.search(entry["file"]):
            yield pathlib.Path(entry["directory"]) / flags[flags.index("-o") + 1]


def weak_symbols(nm_output):
    """Names that the output of nm lists as defined and weak (or unique)."""
    return [match.group(2) for line in nm_output.splitlines() if (match := WEAK.match(line))]


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    root = pathlib.Path(__file__).resolve().parent.parent
    sources = [path for path in root.glob("src/kernels/*/*.cpp") if ISA_FOLDER.search(path.as_posix())]
    objects = sorted(isa_objects(build))
    bad = 0
    for path in objects:
        if not path.exists():
            print(f"{path}: not built; expected a complete build", file=sys.stderr)
            bad += 1
            continue
        output = subprocess.run(["nm", "--demangle", path], capture_output=True, text=True, check=True).stdout
        names = weak_symbols(output)
        bad += len(names)
        for name in names:
            print(f"{path.relative_to(build)}: weak symbol {name}", file=sys.stderr)
    if sources and not objects:
        print(f"{build}: no ISA objects found; expected those of {len(sources)} sources", file=sys.stderr)
        bad += 1
    print(f"check_isa_symbols: {len(objects)} objects, {bad} problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
