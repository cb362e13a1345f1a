"""The library's examples, run as their users would, and what libquern.so shows to the linker.

usage: examples_test.py QUERN LIBQUERN COMPLETE CHAT. The program's own answers are the reference. Models:
golden/stories260k, and the same with a chat template added.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import gguf_edit

GOLDEN = pathlib.Path(os.environ.get("QUERN_GOLDEN", "../shared/golden"))
STORIES = GOLDEN / "stories260k" / "stories260K.gguf"
TEMPLATE = ("{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant: {% endif %}")
QUERN, LIBRARY, COMPLETE, CHAT = sys.argv[1:5]


def run(*words):
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run([str(word) for word in words], capture_output=True, timeout=120, check=False,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, HOME=home))


class Symbols(unittest.TestCase):
    def test_only_the_public_ones_are_exported(self):
        done = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True)
        names = [line.split()[-1] for line in done.stdout.splitlines()]
        self.assertIn("quern_generate", names)
        self.assertEqual([name for name in names if not name.startswith("quern_")], [])


class Examples(unittest.TestCase):
    def setUp(self):
        if not STORIES.exists():
            if os.environ.get("QUERN_REQUIRE_GOLDEN") == "1":
                self.fail(f"golden input missing: {STORIES}")
            self.skipTest(f"golden input missing: {STORIES}")

    def test_complete_writes_what_the_program_writes(self):
        want = run(QUERN, "run", STORIES, "--raw", "--temp", "0", "--max-tokens", "40", "Once upon a time")
        got = run(COMPLETE, STORIES, "Once upon a time", "40")
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertGreater(len(got.stdout), 20)
        self.assertEqual(got.stdout, want.stdout)
        self.assertRegex(got.stderr, rb"\A\d+ tokens in, 40 out\n\Z")

    def test_complete_tells_what_is_wrong(self):
        done = run(COMPLETE, "/nowhere.gguf", "Once")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rb"\A\[[a-z]+\] [^\n]*nowhere\.gguf[^\n]*\n\Z")
        self.assertEqual(run(COMPLETE).returncode, 2)

    def test_chat_answers_each_question_as_the_program_does(self):
        questions = ["Where is Lily?", "Where is Lily now?", "A dog."]
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "chat.gguf"
            model.write_bytes(gguf_edit.with_text(STORIES.read_bytes(), "tokenizer.chat_template", TEMPLATE))
            got = run(CHAT, model, *questions)
            self.assertEqual(got.returncode, 0, got.stderr)
            text = got.stdout.decode()
            for question in questions:
                want = run(QUERN, "run", model, "--temp", "0", "--max-tokens", "32", question)
                self.assertIn(f"> {question}\n{want.stdout.decode()}\n", text)
            self.assertIn("most alike: 'Where is Lily?' and 'Where is Lily now?'", text)

    def test_a_model_without_a_template_is_told(self):
        done = run(CHAT, STORIES, "Hello")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"[library] the model has no chat template; expected", done.stderr)
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "broken.gguf"
            model.write_bytes(gguf_edit.with_text(STORIES.read_bytes(), "tokenizer.chat_template", "{{ 1 }}\n{% oops %}"))
            done = run(CHAT, model, "Hello")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rb"\[library\] the model has a chat template that does not parse \(line 2: .*\); "
                         rb"expected a prompt instead of messages")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[5:])
