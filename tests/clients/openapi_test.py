#!/usr/bin/env python3
"""Schemathesis against /openapi.json: whatever it sends, right or wrong, the answer has a documented status and shape.

A 501 (what this server does not do), a 503 and a 504 (deadlines) are documented answers; a 500 is a failure.
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

from serving import Server

CONFIG = """
request-timeout = 60
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 501, 503, 504]
# Other methods than the documented ones get 405 in the dialect's shape; that is tested with the transport.
unsupported_method.enabled = false
# Some rules span fields (top_logprobs needs logprobs), which a schema cannot say.
positive_data_acceptance.enabled = false
"""
EXAMPLES = 15


class OpenApi(unittest.TestCase):
    def test_every_answer_is_a_documented_one(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "schemathesis.toml"
            config.write_text(CONFIG, encoding="utf-8")
            program = pathlib.Path(sys.executable).parent / "schemathesis"
            done = subprocess.run(
                [program, "--config-file", config, "run", SERVER.url + "/openapi.json", "--mode", "all", "--max-examples",
                 str(EXAMPLES), "--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color", "--workers", "1"],
                capture_output=True, text=True, check=False, timeout=900, cwd=folder)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])
        print(done.stdout[-700:])


if __name__ == "__main__":
    # A short context, so that an answer without a limit of its own ends soon.
    with Server(sys.argv.pop(1), "--ctx", 256) as SERVER:
        unittest.main(exit=False).result.wasSuccessful() or sys.exit(1)
