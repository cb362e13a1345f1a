"""Runs `quern serve` for the tests of clients: on a free port, with the small golden model and a chat template."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "apps"))
import gguf_edit  # noqa: E402

GOLDEN = pathlib.Path(os.environ.get("QUERN_GOLDEN", "../shared/golden"))
STORIES = GOLDEN / "stories260k" / "stories260K.gguf"
TEMPLATE = ("{{ bos_token }}{% if tools %}tools: {{ tools | tojson }}\n{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant: {% endif %}")
START_S = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server of one model named `stories`; ends with the with-block, cleanly or the test fails."""

    def __init__(self, program, *flags):
        self.folder = tempfile.TemporaryDirectory()
        home = pathlib.Path(self.folder.name)
        models = home / "models"
        models.mkdir()
        (models / "stories.gguf").write_bytes(
            gguf_edit.with_text(STORIES.read_bytes(), "tokenizer.chat_template", TEMPLATE))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(home / "log", "wb+")  # pylint: disable=consider-using-with
        env = dict(os.environ, HOME=str(home))
        env.pop("QUERN_MODELS", None)
        self.process = subprocess.Popen(
            [program, "serve", "--port", str(self.port), "--models", str(models), *map(str, flags)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env)

    def __enter__(self):
        deadline = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(self.url + "/health/live", timeout=5):
                    return self
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    raise RuntimeError("the server did not start: " + self.text()) from None
                time.sleep(0.05)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        text = self.text()
        self.log.close()
        self.folder.cleanup()
        if code != 0:
            raise RuntimeError(f"the server ended with {code}: {text}")

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-4000:]

    def ask(self, method, path, body=None):
        """(status, JSON) of a plain request, for what a client hides."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
