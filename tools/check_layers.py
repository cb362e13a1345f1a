#!/usr/bin/env python3
"""Checks the include rules of ARCHITECTURE.md over the sources.

- An include goes to a strictly lower layer or stays in its folder; some folders see only named headers of another.
- Operating-system headers stay in base/ and the server's own OS files; GPU and MPI headers in their own folders.
- JSON stays in the server, the apps and engine/discovery.cpp. The environment is read in apps/ only.
"""
import pathlib
import re
import sys

# Folder of src/ -> its layer. An include goes to a strictly lower number, or stays in its folder.
LAYERS = {
    "base": 0,
    "tensor": 1, "text": 1, "sampling": 1,
    "gguf": 2, "kernels": 2, "cache": 2,
    "backend": 3, "distributed": 3, "scheduler": 3,
    "model": 4,
    "engine": 5,
    "server": 6,
}

# (from, to) -> the only headers of `to` that `from` may include; an empty set forbids the folder.
ONLY = {
    ("scheduler", "sampling"): {"sampling/sampling_params.h"},
    ("scheduler", "tensor"): set(),
    ("scheduler", "gguf"): set(),
    ("scheduler", "kernels"): set(),
    ("model", "backend"): {"backend/backend.h"},
    ("model", "distributed"): {"distributed/communicator.h"},
    ("model", "scheduler"): {"scheduler/batch.h"},
}

# (what, pattern of the header, patterns of the files that may include it). Tests may include anything.
CONFINED = [
    ("operating-system header",
     r"(unistd|fcntl|sched|signal|pthread|dlfcn|termios|poll|dirent|pwd|spawn|semaphore|netdb|ifaddrs|mqueue|aio|glob|"
     r"ftw|syslog|ucontext|execinfo|windows)\.h$|(sys|netinet|arpa|net|linux|asm|mach|bits)/|csignal$",
     [r"src/base/", r"src/server/os(_[a-z_]+\.(h|cpp)$|/)"]),
    ("JSON header", r"nlohmann/", [r"src/server/", r"src/engine/discovery\.cpp$", r"apps/", r"bench/", r"fuzz/"]),
    ("network header", r"boost/(asio|beast)", [r"src/server/", r"apps/"]),
    ("CUDA header", r"(cuda|cublas|curand|nccl|nvml)[a-z0-9_]*(\.h|/)", [r"src/backend/gpu/cuda/"]),
    ("Vulkan header", r"vulkan/|vk_", [r"src/backend/gpu/vulkan/"]),
    ("MPI header", r"mpi\.h$", [r"src/distributed/mpi"]),
    ("intrinsics header", r"(immintrin|x86intrin|arm_neon|arm_sve|avx[a-z0-9]*intrin)\.h$", [r"src/kernels/", r"src/base/"]),
]

ENVIRONMENT = re.compile(r"\b(?:secure_getenv|getenv|setenv|putenv|unsetenv|environ)\b")
ENVIRONMENT_MAY = [r"apps/", r"bench/", r"fuzz/"]

CHECKED_ROOTS = ("src", "apps", "include", "bench", "fuzz")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
# Comments and string literals, so that words in them do not count as code.
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def may(path, patterns):
    return any(re.match(pattern, path) for pattern in patterns)


def layer_problem(path, included):
    """Why `path` may not include the project header `included`, or None."""
    parts = path.split("/")
    target = included.split("/")[0]
    if parts[0] == "include":
        return None if target == "quern" else "a public header includes only quern/ and standard headers"
    if parts[0] != "src":
        return None
    own = parts[1]
    if target == "quern":
        return None if LAYERS[own] >= LAYERS["engine"] else "the public API is seen from engine/ upwards"
    if target not in LAYERS:
        return 'expected "layer/file.h" with a folder of src/'
    if target == own:
        return None
    if LAYERS[target] >= LAYERS[own]:
        return f"{own}/ is layer {LAYERS[own]} and may include only lower layers; {target}/ is {LAYERS[target]}"
    only = ONLY.get((own, target))
    if only is not None and included not in only:
        return f"of {target}/, {own}/ sees " + (", ".join(sorted(only)) if only else "nothing")
    return None


def check_file(path, text):
    """All problems of one file, as (line, message)."""
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, system = match.groups()
        if quoted:
            reason = layer_problem(path, quoted)
            if reason:
                problems.append((number, f'"{quoted}": {reason}'))
        for what, pattern, allowed in CONFINED:
            name = quoted or system
            if re.match(pattern, name) and not may(path, allowed):
                problems.append((number, f"{what} <{name}>; expected only in {', '.join(allowed)}"))
    if not may(path, ENVIRONMENT_MAY):
        code = NOT_CODE.sub(lambda match: "\n" * match.group().count("\n"), text)
        for match in ENVIRONMENT.finditer(code):
            problems.append((code.count("\n", 0, match.start()) + 1, f"{match.group()}; the environment is read in apps/"))
    return problems


def check_tree(root):
    """(files checked, problem lines) of the tree at `root`."""
    files, lines = 0, []
    for top in CHECKED_ROOTS:
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in (".h", ".cpp", ".c", ".cu", ".inc", ".inl"):
                continue
            path = file.relative_to(root).as_posix()
            files += 1
            if top == "src" and path.split("/")[1] not in LAYERS:
                lines.append(f"{path}:1: a folder without a layer; expected one of {', '.join(LAYERS)}")
                continue
            lines += [f"{path}:{number}: {message}" for number, message in check_file(path, file.read_text("utf-8"))]
    return files, lines


def main():
    files, lines = check_tree(pathlib.Path(__file__).resolve().parent.parent)
    for line in lines:
        print(line, file=sys.stderr)
    print(f"check_layers: {files} files, {len(lines)} problems")
    return 1 if lines or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
