"""Drives `quern serve` as an operator does: its start, its refusals, its signals, its keys.

usage: serve_test.py QUERN [unittest arguments]. Model: golden/stories260k. What is waited for are lines and sockets.
"""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

import gguf_edit

GOLDEN = pathlib.Path(os.environ.get("QUERN_GOLDEN", "../shared/golden"))
STORIES = GOLDEN / "stories260k" / "stories260K.gguf"
LIMIT_S = 240  # only a server that is broken, or hangs, is met by it
QUERN = ""
SCRATCH = None


def environment():
    env = dict(os.environ, HOME=str(SCRATCH), LANG="C.UTF-8")
    for name in ("QUERN_MODELS", "QUERN_ISA", "QUERN_FAIL_POINTS"):
        env.pop(name, None)
    return env


def refused(*words):
    return subprocess.run([QUERN, "serve", *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=LIMIT_S, check=False, env=environment())


class Server:
    """A server on a free port; its lines are read as they come. What still runs at the end is killed."""

    def __init__(self, *words):
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [QUERN, "serve", "--port", "0", *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment())
        self.lines = []
        self.watchdog = threading.Timer(LIMIT_S, self.process.kill)
        self.watchdog.start()
        self.port = int(self.wait_for_line("listening on").rsplit(":", 1)[1].rstrip('"}'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.watchdog.cancel()
        self.process.communicate()

    def wait_for_line(self, text):
        for line in self.process.stderr:
            self.lines.append(line.decode().rstrip("\n"))
            if text in self.lines[-1]:
                return self.lines[-1]
        raise AssertionError(f"no line with {text!r} in {self.lines}")

    def exit_code(self):
        self.lines += self.process.stderr.read().decode().splitlines()
        return self.process.wait(timeout=LIMIT_S)

    def ask(self, method, path, body=None, **headers):
        """(status, JSON, headers)"""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers

    @contextlib.contextmanager
    def held_stream(self):
        """A stream of which only the head was read, and which is more than the kernels buffer: it lives until it is read."""
        body = {"prompt": "Once", "max_tokens": 6000, "ignore_eos": True, "stream": True, "logprobs": 5, "seed": 1}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        with contextlib.closing(connection):
            connection.sock = socket.socket()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sock.connect(("127.0.0.1", self.port))
            connection.request("POST", "/v1/completions", json.dumps(body))
            yield connection.getresponse()


def events(answer):
    lines = answer.read().decode().splitlines()
    return [line.removeprefix("data: ") for line in lines if line]


class Start(unittest.TestCase):
    def test_it_says_where_it_listens_and_when_it_is_ready(self):
        with Server(STORIES, "--ctx", 128) as server:
            self.assertRegex(server.lines[0], r"\Aquern: listening on http://127\.0\.0\.1:[1-9][0-9]*\Z")
            server.wait_for_line(" ready")
            self.assertEqual(server.ask("GET", "/health/live")[:2], (200, {"status": "live"}))
            self.assertEqual(server.ask("GET", "/health/ready")[:2], (200, {"status": "ready", "reason": ""}))
            status, health, _ = server.ask("GET", "/health")
            self.assertEqual((status, health["state"]), (200, "ready"))
            self.assertEqual([model["name"] for model in health["models"]], ["stories260K"])
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.exit_code(), 0)
            self.assertEqual(server.process.stdout.read(), b"")

    def test_sizes_have_units(self):
        with Server(STORIES, "--kv-bytes", "2MB", "--memory-bytes", "1GiB", "--max-body-bytes", "1 KiB",
                    "--cors-origin", "https://a.example") as server:
            server.wait_for_line(" ready")
            self.assertEqual(server.ask("POST", "/v1/completions", {"prompt": "x" * 1024})[0], 413)
            headers = server.ask("GET", "/health/live", Origin="https://a.example")[2]
            self.assertEqual(headers["Access-Control-Allow-Origin"], "https://a.example")

    def test_more_requests_at_once_than_a_step_has_tokens_by_itself(self):
        with Server(STORIES, "--max-seqs", 600, "--ctx", 64) as server:
            server.wait_for_line(" ready")
            self.assertEqual(server.ask("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 2})[0], 200)

    def test_the_one_model_named_is_the_default(self):
        folder = SCRATCH / "several"
        folder.mkdir()
        for name in ("one", "two"):
            (folder / f"{name}.gguf").write_bytes(STORIES.read_bytes())
        strange = STORIES.read_bytes().replace(b"llama.", b"l1ama.")  # the keys of its architecture
        (folder / "new.gguf").write_bytes(gguf_edit.with_text(strange, "general.architecture", "l1ama"))
        with Server("TWO", "--models", folder, "--ctx", 128) as server:
            server.wait_for_line(" ready")
            status, answer, _ = server.ask("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 1})
            self.assertEqual((status, answer["model"]), (200, "two"))
            listed = [model["id"] for model in server.ask("GET", "/v1/models")[1]["data"]]
            self.assertEqual(listed, ["two", "one"])  # one that cannot be run is not there
            status, error, _ = server.ask("POST", "/v1/completions", {"prompt": "Once", "model": "new"})
            self.assertEqual((status, error["error"]["code"]), (400, "unsupported"))

    def test_a_context_beyond_the_models_own_is_told_once(self):
        with Server(STORIES, "--ctx", 4096) as server:
            server.wait_for_line(" ready")
            for _ in range(2):
                self.assertEqual(server.ask("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 1})[0], 200)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.exit_code(), 0)
            warnings = [line for line in server.lines if "model 'stories260K' was made for" in line]
            self.assertEqual(len(warnings), 1, server.lines)
            self.assertIn("up to 4096", warnings[0])

    def test_a_name_breaks_no_line_and_no_list(self):
        folder = SCRATCH / "names"
        folder.mkdir()
        (folder / os.fsdecode(b"caf\xe9\nready.gguf")).write_bytes(STORIES.read_bytes())
        name = "caf\ufffd\nready"
        with Server("--models", folder, "--ctx", 128) as server:
            self.assertEqual([model["id"] for model in server.ask("GET", "/v1/models")[1]["data"]], [name])
            self.assertEqual([model["name"] for model in server.ask("GET", "/api/tags")[1]["models"]], [name])
            status, answer, _ = server.ask("POST", "/v1/completions", {"prompt": "x", "model": name, "max_tokens": 1})
            self.assertEqual((status, answer["model"]), (200, name))
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.exit_code(), 0)
            for line in server.lines[1:]:
                self.assertRegex(line, r"\A20\d\d-\d\d-\d\dT")
            self.assertTrue(any("'caf\ufffd\\x0aready' loaded" in line for line in server.lines), server.lines)

    def test_lines_for_programs_are_json(self):
        with Server("--log-format", "json") as server:
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.exit_code(), 0)
            for line in server.lines:
                self.assertIn("level", json.loads(line))


class Refusals(unittest.TestCase):
    def assert_refused(self, done, code, *words):
        error = done.stderr.decode()
        self.assertEqual(done.returncode, code, error)
        self.assertEqual(done.stdout, b"")
        self.assertRegex(error, r"\Aquern: \[[a-z]+\] [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, error)

    def test_a_port_that_is_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            self.assert_refused(refused("--port", port), 3, "the port is in use", str(port), "--port")

    def test_an_address_that_is_not_ours(self):
        self.assert_refused(refused("--host", "192.0.2.1", "--port", 0, "--insecure"), 3, "192.0.2.1")  # of RFC 5737

    def test_a_model_that_is_missing_or_broken(self):
        data = STORIES.read_bytes()
        folder = SCRATCH / "broken"
        folder.mkdir()
        cut, junk, empty = folder / "cut.gguf", folder / "junk.gguf", folder / "empty.gguf"
        cut.write_bytes(data[:len(data) // 2])
        junk.write_bytes(b"no model at all" * 100)
        empty.write_bytes(b"")
        for name in ("nope", SCRATCH / "nope.gguf", SCRATCH):
            self.assert_refused(refused("--port", 0, name), 1, pathlib.Path(name).name)
        for file in (cut, junk, empty):
            self.assert_refused(refused("--port", 0, file), 1, file.name)
            self.assert_refused(refused("--port", 0, file.stem, "--models", folder), 1, file.name)
            self.assert_refused(refused("--port", 0, STORIES, file), 1, file.name)  # beside one that is fine

    def test_a_model_that_can_never_fit(self):
        self.assert_refused(refused("--port", 0, STORIES, "--memory-bytes", "1MiB"), 1, "stories260K", "--memory-bytes")

    def test_flags_that_are_wrong(self):
        for words in (["--port", 70000], ["--port", "x"], ["--no-such-flag"], ["--log-format", "xml"], ["--max-seqs", 0],
                      ["--kv-type", "f8"], ["--ctx", 1], ["--drain-timeout", 0], ["--memory-bytes", "much"],
                      ["--api-key", ""], ["--api-key", "two words"]):
            with self.subTest(words=words):
                self.assert_refused(refused(*words), 2)
        self.assert_refused(refused("--host", "0.0.0.0", "--port", 0), 2, "no API key", "--insecure")
        for host in ("127.1", "nohost.invalid"):
            self.assert_refused(refused("--host", host, "--port", 0), 2, host, "localhost", "--insecure")

    def test_sizes_that_cannot_be_meant(self):
        for flag, least in (("--kv-bytes", 1), ("--memory-bytes", 1 << 20), ("--max-body-bytes", 1024)):
            for value in ("-1", "+5000000", "0", "-0", "5e6", "1.5GB", "0x100000", "lots", "96MiX", "MiB", "MiB5",
                          "99999999999999999999", "16EiB", str(least - 1), str(1 << 63)):
                with self.subTest(flag=flag, value=value):
                    self.assert_refused(refused(f"{flag}={value}"), 2, f"{flag}: got '{value}'; expected a size of at "
                                        f"least {least} bytes")

    def test_a_pool_that_holds_no_request(self):
        # A block is 2 (keys and values) * 5 layers * 4 heads * 16 places of 2 bytes (for 8 numbers) * 16 tokens.
        self.assert_refused(refused("--port", 0, STORIES, "--kv-bytes", 40_959), 1, "stories260K", "--kv-bytes",
                            "expected --kv-bytes of at least 40960")
        self.assert_refused(refused("--port", 0, STORIES, "--ctx", 100, "--kv-bytes", 163_839), 1, "100 tokens",
                            "expected --kv-bytes of at least 163840")  # 7 blocks, and one that is being filled

    def test_an_origin_that_no_browser_sends(self):
        for origin in ("foo", "null", "https://a.example/", "https://A.example", "a.example:80", "https://*.example"):
            with self.subTest(origin=origin):
                self.assert_refused(refused(f"--cors-origin={origin}"), 2, f"--cors-origin '{origin}'", "scheme", "'*'")

    def test_a_key_file_that_cannot_be_used(self):
        empty = SCRATCH / "no-keys"
        empty.write_text("# none yet\n\n")
        empty.chmod(0o600)
        self.assert_refused(refused("--port", 0, "--api-key-file", SCRATCH / "nope"), 1, "nope")
        self.assert_refused(refused("--port", 0, "--api-key-file", SCRATCH), 1)
        self.assert_refused(refused("--port", 0, "--api-key-file", empty), 1, "no key")


class Keys(unittest.TestCase):
    def test_only_who_has_a_key_of_the_file_may_ask(self):
        file = SCRATCH / "keys"
        file.write_text("# two of them\nfirst-key\n  second-key  \n")
        file.chmod(0o600)
        with Server("--api-key-file", file, "--host", "0.0.0.0") as server:
            self.assertEqual(len(server.lines), 1, server.lines)
            for headers in ({}, {"Authorization": "Bearer third-key"}, {"x-api-key": "# two of them"}):
                self.assertEqual(server.ask("GET", "/v1/models", **headers)[0], 401)
            for headers in ({"Authorization": "Bearer first-key"}, {"x-api-key": "second-key"}):
                self.assertEqual(server.ask("GET", "/v1/models", **headers)[0], 200)
            self.assertEqual(server.ask("GET", "/health/live")[0], 200)
            self.assertEqual(server.ask("GET", "/health")[0], 401)

    def test_a_file_that_everybody_can_read_is_told(self):
        file = SCRATCH / "open-keys"
        file.write_text("a-key\n")
        file.chmod(0o644)
        with Server("--api-key-file", file) as server:
            self.assertIn("chmod 600", server.lines[0])


class Signals(unittest.TestCase):
    """A stream that is not read yet is what runs when the signal comes."""

    def test_each_of_them_drains(self):
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(name=name), Server(STORIES, "--ctx", 20000, "--drain-timeout", LIMIT_S) as server:
                with server.held_stream() as answer:
                    self.assertEqual(answer.status, 200)
                    server.process.send_signal(name)
                    server.wait_for_line("draining")
                    status, error, headers = server.ask("POST", "/v1/completions", {"prompt": "Once"})
                    self.assertEqual((status, error["error"]["code"]), (503, "draining"))
                    self.assertGreater(int(headers["Retry-After"]), 0)
                    self.assertEqual(server.ask("GET", "/health/live")[0], 200)
                    status, ready, _ = server.ask("GET", "/health/ready")
                    self.assertEqual((status, ready["status"]), (503, "draining"))
                    self.assertIsNone(server.process.poll())
                    stream = events(answer)
                self.assertEqual(stream[-1], "[DONE]")
                finish = [choice["finish_reason"] for event in stream[:-1] for choice in json.loads(event)["choices"]]
                self.assertEqual((finish[-1], set(finish[:-1])), ("length", {None}))
                self.assertEqual(server.exit_code(), 0)

    def test_a_second_one_ends_it_at_once(self):
        for second in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(second=second), Server(STORIES, "--ctx", 20000, "--drain-timeout", LIMIT_S) as server:
                with server.held_stream():
                    server.process.send_signal(signal.SIGTERM)
                    server.wait_for_line("draining")
                    server.process.send_signal(second)
                    self.assertEqual(server.exit_code(), 130)

    def test_whoever_does_not_read_the_log_holds_nothing_up(self):
        with Server(STORIES, "--ctx", 128) as server:
            server.wait_for_line(" ready")
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)
            with contextlib.closing(connection):
                for _ in range(2000):  # some 200 KB of lines; a pipe takes 64 KiB
                    connection.request("GET", "/health/live")
                    self.assertEqual(connection.getresponse().read(), b'{"status":"live"}')
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(timeout=LIMIT_S), 0)

    def test_when_the_time_is_over_what_runs_is_cancelled(self):
        with Server(STORIES, "--ctx", 20000, "--drain-timeout", 1) as server:
            with server.held_stream() as answer:
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(server.exit_code(), 0)
                self.assertEqual(answer.status, 200)


def main():
    global QUERN, SCRATCH
    QUERN = str(pathlib.Path(sys.argv.pop(1)).resolve())
    if not STORIES.exists():
        print(f"golden: 0 run, 1 skipped (there is no {STORIES})")
        sys.exit(1 if os.environ.get("QUERN_REQUIRE_GOLDEN") == "1" else 0)
    with tempfile.TemporaryDirectory() as folder:
        SCRATCH = pathlib.Path(folder)
        unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
