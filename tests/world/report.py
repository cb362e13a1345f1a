"""Counting and reporting, shared by the scripts beside this one."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("QUERN_BUILD", "build/release")
QUERN = BUILD / "quern"
MODEL_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def tool_path(name):
    """A program that tests/world/CMakeLists.txt builds."""
    return BUILD / "tests" / "world" / name


def demo_model():
    """Where the demo model lies, by the rules that the C++ tests follow."""
    if "QUERN_DEMO_MODEL" in os.environ:
        return pathlib.Path(os.environ["QUERN_DEMO_MODEL"])
    store = os.environ.get("QUERN_MODELS")
    return (pathlib.Path(store) if store else pathlib.Path.home() / ".quern" / "models") / MODEL_NAME


def run(command, data=b""):
    """stdout of a command; its stderr goes into the error when it fails."""
    done = subprocess.run([str(word) for word in command], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.decode()[:500]}")
    return done.stdout


class Report:
    """Counts what passed, prints what did not, and ends with a line that says both."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def check(self, name, problem):
        """`problem` is None or empty when the case passed."""
        if problem:
            self.failed += 1
            print(f"FAILED {name}: {problem}")
        else:
            self.passed += 1

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)
