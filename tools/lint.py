#!/usr/bin/env python3
"""clang-format and clang-tidy over every source file of the project.

A file that passed is remembered by the content of all it was made of (itself, every header it reads, its flags, the
rules, the tool's version) and not checked again. The memory outlives a checkout: $QUERN_LINT_CACHE, or quern/lint
below the user's cache folder.
"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "lint"
TOPS = ("src", "apps", "include", "examples", "tests", "bench", "fuzz")
SUFFIXES = (".h", ".cpp", ".c")
CLANG_TIDY, CLANG_FORMAT = ROOT / "build" / "venv" / "bin" / "clang-tidy", "clang-format-19"


def sources():
    return sorted(path for top in TOPS for path in (ROOT / top).rglob("*") if path.suffix in SUFFIXES)


def format_ok(files, fix):
    mode = ["-i"] if fix else ["--dry-run", "-Werror"]
    done = subprocess.run([CLANG_FORMAT, *mode, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    # One line a file: what to do about it is `make format`, however many places differ.
    for name in sorted(set(re.findall(r"^(.*?):\d+:\d+: error: code should be", done.stderr, re.MULTILINE))):
        print(f"lint: not formatted (make format): {os.path.relpath(name, ROOT)}")
    return done.returncode == 0


def cache_dir():
    configured = os.environ.get("QUERN_LINT_CACHE")
    if configured:
        return pathlib.Path(configured)
    base = os.environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(base) if base else pathlib.Path.home() / ".cache") / "quern" / "lint"


def digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def content_hash(path):
    try:
        return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    except OSError:
        return "missing"


@functools.cache
def rules_hash(folder):
    """The .clang-tidy files in force in a folder, inherited ones included."""
    own = folder / ".clang-tidy"
    above = "" if folder == ROOT else rules_hash(folder.parent)
    return digest(above, content_hash(own) if own.exists() else "")


@functools.cache
def tool_version():
    return subprocess.run([CLANG_TIDY, "--version"], capture_output=True, text=True, check=True).stdout


class Job:
    """One source file with its compile command, and what is remembered of it."""

    def __init__(self, entry):
        self.file = pathlib.Path(entry["file"])
        self.name = self.file.relative_to(ROOT).as_posix()
        self.command = shlex.split(entry["command"])
        self.directory = entry["directory"]
        flags = entry["command"].replace(str(ROOT), ".")
        self.key = digest(flags, tool_version(), self.name)
        self.note = cache_dir() / f"{self.key[:32]}.json"

    def state(self, dependencies):
        """What the verdict rests on, with project paths relative so that another checkout shares it."""
        result = {}
        for path in dependencies:
            full = ROOT / path
            result[path] = content_hash(str(full))
            if full.is_relative_to(ROOT):
                result["rules:" + path] = rules_hash(full.parent)
        return result

    def passed_before(self):
        try:
            remembered = json.loads(self.note.read_text())
        except (OSError, ValueError):
            return False
        return remembered == self.state([path for path in remembered if not path.startswith("rules:")])

    def dependencies(self):
        """Every file the preprocessor reads for this source; project files relative to the root."""
        command = [word for word in self.command if word not in ("-c",)]
        if "ccache" in command[0]:
            command = command[1:]
        output_at = command.index("-o")
        command = command[:output_at] + command[output_at + 2:] + ["-M", "-MT", "x"]
        output = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=True).stdout
        for word in output.replace("\\\n", " ").split()[1:]:
            path = pathlib.Path(os.path.normpath(pathlib.Path(self.directory) / word))
            yield path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)

    def remember(self):
        self.note.parent.mkdir(parents=True, exist_ok=True)
        partial = self.note.with_suffix(f".{os.getpid()}.{id(self)}")
        partial.write_text(json.dumps(self.state(self.dependencies())))
        partial.replace(self.note)

    def run(self):
        """(file, seconds, passed, what the tool said)"""
        start = time.monotonic()
        command = [CLANG_TIDY, "--quiet", "-p", str(BUILD), str(self.file)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            self.remember()
        text = re.sub(r"^\d+ warnings? (generated|treated as error).*\n?", "", done.stdout + done.stderr, flags=re.MULTILINE)
        return self.name, time.monotonic() - start, done.returncode == 0, text


def tidy_jobs(only):
    """(jobs, files that this machine's build does not compile)"""
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    jobs = {job.file: job for job in map(Job, entries) if job.file.suffix == ".cpp" and job.file.is_relative_to(ROOT)}
    wanted = [path for path in sources() if path.suffix == ".cpp" and (not only or path.relative_to(ROOT).as_posix() in only)]
    return [jobs[path] for path in wanted if path in jobs], [path for path in wanted if path not in jobs]


def run_tidy(arguments):
    jobs, outside = tidy_jobs(arguments.files)
    todo = [job for job in jobs if not job.passed_before()]
    # The largest first, so that the last one to end is a short one.
    todo.sort(key=lambda job: -job.file.stat().st_size)
    failed, timings = [], []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for name, seconds, passed, text in pool.map(Job.run, todo):
            timings.append((seconds, name))
            if not passed:
                failed.append(name)
                print(text.strip())
            if sys.stderr.isatty():
                print(f"\r{len(timings)}/{len(todo)} ", end="", file=sys.stderr)
    for seconds, name in sorted(timings, reverse=True)[:5 if not arguments.timings else None]:
        print(f"{seconds:7.1f} s  {name}")
    for path in outside:
        print(f"lint: not compiled on this machine, format only: {path.relative_to(ROOT)}")
    for name in failed:
        print(f"lint: failed: {name}")
    print(f"lint: {len(jobs)} files, {len(jobs) - len(todo)} of them unchanged since they passed, {len(failed)} failed")
    return not failed and bool(jobs)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fix-format", action="store_true", help="rewrite the files instead of checking them")
    parser.add_argument("--timings", action="store_true", help="print the seconds of every file")
    parser.add_argument("files", nargs="*", help="clang-tidy these only, named from the root")
    arguments = parser.parse_args()
    formatted = format_ok(sources(), arguments.fix_format)
    if arguments.fix_format:
        return 0 if formatted else 1
    tidy = run_tidy(arguments)
    return 0 if formatted and tidy else 1


if __name__ == "__main__":
    sys.exit(main())
