"""The `openai` and `ollama` packages of npm against `quern serve` (npm/clients.mjs says what they do).

usage: npm_test.py QUERN. Needs node and npm, and the packages once from a registry: build/npm keeps them. Without these
it is skipped, visibly, unless CI=true or QUERN_REQUIRE_WORLD=1.
"""
import os
import pathlib
import shutil
import subprocess
import sys

from serving import Server

MODEL = "stories"
HERE = pathlib.Path(__file__).resolve().parent / "npm"
BUILD = HERE.parents[2] / "build" / "npm"
INSTALL_S = 300
RUN_S = 300


def skip(why):
    print(f"clients: npm skipped ({why})")
    return 1 if os.environ.get("CI") == "true" or os.environ.get("QUERN_REQUIRE_WORLD") == "1" else 0


def install():
    """Whether build/npm has the packages that package.json pins."""
    BUILD.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_bytes()
    package = BUILD / "package.json"
    done = BUILD / "installed"
    if done.exists() and done.read_bytes() == wanted:
        return True
    package.write_bytes(wanted)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--silent"]
    if subprocess.run(command, cwd=BUILD, timeout=INSTALL_S, check=False).returncode != 0:
        return False
    done.write_bytes(wanted)
    return True


def main():
    if shutil.which("node") is None or shutil.which("npm") is None:
        return skip("there is no node or npm; tools/setup.sh node installs them")
    if not install():
        return skip("npm could not install tests/clients/npm/package.json")
    shutil.copy(HERE / "clients.mjs", BUILD / "clients.mjs")
    with Server(sys.argv[1]) as server:
        return subprocess.run(["node", "clients.mjs", server.url, MODEL], cwd=BUILD, timeout=RUN_S, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
