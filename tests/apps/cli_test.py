"""Drives the built program as scripts and people do: exit codes, streams, numbers, the conversation.

usage: cli_test.py QUERN [unittest arguments]. Models: golden/stories260k, and the same with a chat template added.
"""
import array
import json
import math
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

import gguf_edit
from terminal import Terminal

GOLDEN = pathlib.Path(os.environ.get("QUERN_GOLDEN", "../shared/golden"))
STORIES = GOLDEN / "stories260k" / "stories260K.gguf"
VOCAB_SIZE = 512
TEMPLATE = ("{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant: {% endif %}")
QUERN = ""
SCRATCH = None


def environment():
    env = dict(os.environ, HOME=str(SCRATCH), TERM="xterm", LANG="C.UTF-8")
    for name in ("QUERN_MODELS", "QUERN_ISA", "NO_COLOR"):
        env.pop(name, None)
    return env


def start(*words, **how):
    return subprocess.Popen([QUERN, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(), **how)


def quern(*words, stdin=b""):
    return subprocess.run([QUERN, *map(str, words)], input=stdin, capture_output=True, timeout=300, check=False,
                          env=environment())


def reference():
    return json.loads((GOLDEN / "stories260k" / "reference.json").read_text())


def chat_model():
    path = SCRATCH / "stories-chat.gguf"
    if not path.exists():
        path.write_bytes(gguf_edit.with_text(STORIES.read_bytes(), "tokenizer.chat_template", TEMPLATE))
    return path


class Case(unittest.TestCase):
    def assert_refused(self, done, code, *words):
        """One clear line on stderr, nothing on stdout."""
        error = done.stderr.decode()
        self.assertEqual(done.returncode, code, error)
        self.assertEqual(done.stdout, b"")
        self.assertRegex(error, r"\Aquern: \[[a-z]+\] [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, error)


class Output(Case):
    """What a script takes for a result has arrived whole, or the exit code says that it has not."""

    def test_an_output_that_is_full_exits_with_3(self):
        story = SCRATCH / "full.txt"
        story.write_text("Once upon a time, there was a little girl. " * 8)
        texts = SCRATCH / "full.jsonl"
        texts.write_text('"Once"\n' * 2000)
        prompt = b'{"messages":[{"role":"user","content":"Hello"}]}'
        for words in (["--version"], ["--help"], ["tokenize", STORIES, "hello"],
                      ["tokenize", STORIES, "--jsonl", texts], ["detokenize", STORIES, 300], ["list"], ["list", "--json"],
                      ["show", STORIES], ["show", STORIES, "--json"], ["template", chat_model()],
                      ["perplexity", STORIES, story, "--ctx", 16, "--json"],
                      ["bench", STORIES, "--prompt", 4, "--gen", 0, "--reps", 1, "--output", "json"],
                      ["logits", STORIES, "--tokens", 1, "--out", "-"],
                      ["run", STORIES, "Once", "--raw", "--max-tokens", 4]):
            with self.subTest(words=words), open("/dev/full", "wb") as full:
                folder = ["--models", STORIES.parent] if words[0] == "list" else []
                done = subprocess.run([QUERN, *map(str, words + folder)], stdout=full, input=prompt, env=environment(),
                                      stderr=subprocess.PIPE, check=False)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertRegex(done.stderr.decode().splitlines()[-1], r"\Aquern: \[[a-z]+\] cannot write [^\n]+\Z")
                self.assertEqual(done.stderr.count(b"cannot write"), 1)

    def test_a_reader_that_leaves_is_no_error(self):
        texts = SCRATCH / "many.jsonl"
        texts.write_text('"Once upon a time"\n' * 20000)
        for words in (["show", STORIES, "--json"], ["--help"], ["tokenize", STORIES, "--jsonl", texts],
                      ["logits", STORIES, "--tokens", ",".join(["1"] * 100), "--out", "-"]):
            with self.subTest(words=words), start(*words) as process:
                process.stdout.close()
                self.assertEqual(process.stderr.read(), b"")
                self.assertEqual(process.wait(timeout=60), 0)

    def test_a_closed_stderr_changes_no_exit_code(self):
        for words, code in (("show no-such-model", 1), (f"run '{STORIES}' Once --max-tokens 1 --stats", 0)):
            done = subprocess.run(["sh", "-c", f'"$0" {words} 2>&-', QUERN], env=environment(), check=False,
                                  stdout=subprocess.DEVNULL)
            self.assertEqual(done.returncode, code)


class Interrupts(Case):
    def test_every_command_ends_with_130(self):
        for words in (["bench", STORIES, "--reps", 1000], ["tokenize", STORIES], ["template", chat_model()]):
            with self.subTest(words=words), subprocess.Popen(
                    [QUERN, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    env=environment()) as process:
                self.wait_until_it_handles(process)
                process.send_signal(signal.SIGINT)
                process.stdout.read()
                self.assertEqual(process.wait(timeout=60), 130)

    def wait_until_it_handles(self, process):
        """SIGINT is 2: bit 1 of the mask of caught signals that the system shows."""
        status = pathlib.Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status.read_text())
            if caught and int(caught.group(1), 16) & 2:
                return


class Names(Case):
    """Every command that has a model finds it in the same ways."""

    def test_an_instruction_set_that_is_not_there_is_told_with_those_that_are(self):
        done = subprocess.run([QUERN, "run", STORIES, "Hi"], capture_output=True, check=False,
                              env=dict(environment(), QUERN_ISA="sse9"))
        self.assert_refused(done, 2, "QUERN_ISA", "'sse9'", "scalar")
        here = pathlib.Path("/proc/cpuinfo").read_text()
        for name, flag in (("neon", "asimddp"), ("avx512", "avx512_vnni")):
            self.assertEqual(name in done.stderr.decode().split("expected")[1], flag in here)

    def test_a_folder_may_be_named_everywhere(self):
        folder = SCRATCH / "named"
        folder.mkdir(exist_ok=True)
        (folder / "little.gguf").write_bytes(chat_model().read_bytes())
        how = ("little", "--models", folder)
        self.assertEqual(quern("tokenize", *how, "Once").stdout, quern("tokenize", STORIES, "Once").stdout)
        self.assertEqual(quern("detokenize", *how, 300).stdout, quern("detokenize", STORIES, 300).stdout)
        self.assertEqual(quern("show", *how).returncode, 0)
        prompt = b'{"messages":[{"role":"user","content":"Hello"}]}'
        self.assertEqual(quern("template", *how, stdin=prompt).stdout, b"<s>user: Hello\n")

    def test_a_folder_that_is_not_there_is_told(self):
        for folder in (SCRATCH / "no-such-folder", STORIES, ""):
            for words in (["list"], ["list", "--json"], ["show", STORIES], ["run", STORIES, "Hi"], ["tokenize", STORIES, "Hi"],
                          ["bench", STORIES]):
                with self.subTest(words=words, folder=folder):
                    self.assert_refused(quern(*words, "--models", folder), 1, "[models]", str(folder))

    def test_without_a_home_the_list_says_what_to_do(self):
        env = environment()
        del env["HOME"]
        done = subprocess.run([QUERN, "list"], env=env, capture_output=True, check=False)
        if b"no models found" in done.stderr:  # this machine may have an Ollama service
            self.assertIn(b"--models DIR", done.stderr)

    def test_what_is_there_but_no_file_is_called_by_its_kind(self):
        pipe = SCRATCH / "pipe.gguf"
        os.mkfifo(pipe)
        self.addCleanup(pipe.unlink)
        self.assert_refused(quern("show", SCRATCH), 1, "is a folder")
        self.assert_refused(quern("show", pipe), 1, "is not a regular file")
        self.assert_refused(quern("run", "/dev/zero", "Hi"), 1, "is not a regular file")

    def test_a_link_to_nowhere_is_listed_with_its_error(self):
        folder = SCRATCH / "links"
        snapshot = folder / "models--org--name" / "snapshots" / "main"
        snapshot.mkdir(parents=True)
        for link in (folder / "gone.gguf", snapshot / "gone.gguf"):
            link.symlink_to("nowhere.gguf")
        (folder / "self.gguf").symlink_to("self.gguf")
        listed = json.loads(quern("list", "--json", "--models", folder).stdout)
        errors = {row["name"]: row["error"] for row in listed if row["path"].startswith(str(folder))}
        self.assertEqual(set(errors), {"gone", "self", "models--org--name/snapshots/main/gone"})
        self.assertIn("No such file", errors["gone"])
        env = dict(environment(), HF_HUB_CACHE=str(folder))
        done = subprocess.run([QUERN, "list", "--json"], env=env, capture_output=True, check=False)
        self.assertIn("No such file", {row["name"]: row for row in json.loads(done.stdout)}["org/name/gone"]["error"])

    def test_names_stand_as_they_are_written_and_cannot_drive_the_terminal(self):
        folder = SCRATCH / "names"
        folder.mkdir()
        plain = "модель-日本語-é"
        for name in (plain, "b\x1b[31m", "c\u202ed", "\udcff"):
            (folder / f"{name}.gguf").write_bytes(STORIES.read_bytes())
        rows = [line for line in quern("list", "--models", folder).stdout.decode().splitlines() if str(folder) in line]
        self.assertEqual({row.split("  ")[0] for row in rows}, {plain, "b\\x1b[31m", "c\\xe2\\x80\\xaed", "\ufffd"})
        # What follows the names stands in one column: each of the three wide characters takes two.
        self.assertEqual({row.index("F32") + (3 if row.startswith(plain) else 0) for row in rows}, {rows[0].index("F32")
                         + (3 if rows[0].startswith(plain) else 0)})
        self.assertEqual(quern("tokenize", plain, "--models", folder, "Once").returncode, 0)

    def test_fewer_rows_than_tokens_are_refused(self):
        model, key = SCRATCH / "rows.gguf", "llama.vocab_size"
        pair = struct.pack("<Q", len(key)) + key.encode() + struct.pack("<II", 4, VOCAB_SIZE - 1)
        model.write_bytes(gguf_edit.with_pair(STORIES.read_bytes(), key, pair))
        self.assert_refused(quern("show", model), 1, "rows.gguf", "llama.vocab_size is 511 for 512 tokens")


class Inputs(Case):
    def test_what_cannot_be_read_is_told(self):
        empty = SCRATCH / "empty.txt"
        empty.write_text("")
        for words in (["tokenize", STORIES, "--jsonl"], ["perplexity", STORIES], ["template", "--template"]):
            self.assert_refused(quern(*words, SCRATCH), 1, "Is a directory")
            self.assert_refused(quern(*words, SCRATCH / "no-such.txt"), 1, "No such file", "no-such.txt")
        for file in (empty, "/dev/null"):
            self.assert_refused(quern("perplexity", STORIES, file), 1, f"'{file}' is empty")
        for words in (["tokenize", STORIES], ["run", STORIES], ["template", chat_model()]):
            folder = os.open(SCRATCH, os.O_RDONLY)
            done = subprocess.run([QUERN, *map(str, words)], stdin=folder, capture_output=True, env=environment(),
                                  check=False)
            os.close(folder)
            self.assert_refused(done, 1, "standard input", "Is a directory")

    def test_bytes_without_a_token_are_told(self):
        vocabulary = GOLDEN / "vocab" / "deepseek-coder.gguf"
        done = quern("tokenize", vocabulary, stdin=bytes(range(256)))
        self.assertEqual(done.returncode, 0)
        # It has all bytes but the 13 that no UTF-8 text holds: C0, C1 and F5 to FF (RFC 3629).
        self.assertRegex(done.stderr.decode(), r"\Aquern: \[tokenize\] 13 of the text's 256 bytes [^\n]+\n\Z")
        self.assertEqual(quern("tokenize", vocabulary, stdin="<｜end▁of▁sentence｜> naïve 日本\n".encode()).stderr, b"")

    def test_the_input_of_a_template_is_checked(self):
        def refused(text, *words):
            self.assert_refused(quern("template", chat_model(), stdin=text.encode()), 1, *words)
        refused("{}", "no 'messages'")
        refused("[]", "JSON object")
        refused('{"messages":"Hi"}', "'messages' is a string")
        refused('{"messages":null}', "'messages'")
        refused('{"messages":["Hi"]}', "'messages[0]' is a string")
        refused('{"messages":[],"tools":5}', "'tools' is a number")
        refused('{"messages":[],"documents":{}}', "'documents' is an object")
        refused('{"messages":[],"add_generation_prompt":"yes"}', "'add_generation_prompt' is a string", "true or false")
        refused('{"messages":[],"variables":[]}', "'variables' is an array")
        done = quern("template", chat_model(), stdin=b'{"messages":[],"tools":null,"variables":null}')
        self.assertEqual((done.returncode, done.stdout), (0, b"<s>"))


def pair_of(key, kind, form, value):
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I" + form, kind, value)


class Files(Case):
    """Broken files: the message names the file, the key and what is wrong; no command takes them."""
    F32, U32 = 6, 4

    def edited(self, name, *edits):
        data = STORIES.read_bytes()
        for key, pair in edits:
            data = gguf_edit.with_pair(data, key, pair)
        path = SCRATCH / name
        path.write_bytes(data)
        return path

    def damaged(self):
        """The norm before the head, as NaN: so is every logit."""
        data = STORIES.read_bytes()
        begin, n_values = gguf_edit.tensor_place(data, "output_norm.weight")
        path = SCRATCH / "nan.gguf"
        path.write_bytes(data[:begin] + struct.pack("<f", math.nan) * n_values + data[begin + 4 * n_values:])
        return path

    def test_logits_that_are_no_numbers_are_the_files_fault(self):
        model, text = self.damaged(), SCRATCH / "nan.txt"
        text.write_text("Once upon a time, there was a little girl. " * 4)
        self.assert_refused(quern("perplexity", model, text, "--ctx", 16, "--json"), 1, "NaN")
        self.assert_refused(quern("logits", model, "--tokens", 1, "--out", SCRATCH / "nan.f32"), 1, "NaN")
        self.assert_refused(quern("run", model, "Once", "--raw"), 1, "NaN")
        done = quern("bench", model, "--prompt", 4, "--gen", 0, "--reps", 1)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"NaN", done.stderr)

    def test_a_wrong_type_is_named(self):
        for key in ("general.alignment", "tokenizer.ggml.bos_token_id"):
            model = self.edited("typed.gguf", (key, pair_of(key, self.F32, "f", 32.0)))
            self.assert_refused(quern("show", model), 1, "typed.gguf", f"{key} is 32 (f32)", "integer")

    def test_layers_beyond_the_count_are_refused(self):
        model = self.edited("layers.gguf", ("llama.block_count", pair_of("llama.block_count", self.U32, "I", 4)))
        for words in (["show", model], ["run", model, "Hi"]):
            self.assert_refused(quern(*words), 1, "layers.gguf", "'blk.4.", "layer 4 of 4", "llama.block_count")

    def test_show_and_run_have_the_same_limits(self):
        for key, value in (("llama.context_length", 2**26 + 1), ("llama.feed_forward_length", 2**20 + 1),
                           ("llama.attention.key_length", 1026), ("llama.rope.dimension_count", 0)):
            model = self.edited("limits.gguf", (key, pair_of(key, self.U32, "I", value)))
            for words in (["show", model], ["run", model, "Hi"]):
                self.assert_refused(quern(*words), 1, "limits.gguf", f"{key} is {value} (u32)")

    def test_a_scaling_factor_of_0_is_none(self):
        key = "llama.rope.scaling.factor"
        model = self.edited("factor.gguf", (key, pair_of(key, self.F32, "f", 0.0)))
        how = ("Once upon a time", "--raw", "--temp", 0, "--max-tokens", 8)
        self.assertEqual(quern("run", model, *how).stdout, quern("run", STORIES, *how).stdout)

    def test_a_model_of_another_kind_is_refused_by_name(self):
        for model, words in ((GOLDEN / "arch" / "gemma2.gguf", ("'gemma2' is not supported", "llama, qwen2")),
                             (GOLDEN / "vocab" / "llama-spm.gguf", ("a vocabulary and no weights",))):
            self.assert_refused(quern("run", model, "Hi"), 1, model.name, *words)
            self.assertIn(b"this program cannot run the model", quern("show", model).stdout)

    def test_errors_of_tensors_name_the_file(self):
        data = STORIES.read_bytes().replace(b"output_norm.weight", b"output_mron.weight")
        model = SCRATCH / "tensor.gguf"
        model.write_bytes(data)
        self.assert_refused(quern("run", model, "Hi"), 1, "tensor.gguf", "output_norm.weight", "missing")

    def test_an_unknown_pre_tokenizer_can_be_overridden_everywhere(self):
        data = gguf_edit.with_pair(STORIES.read_bytes(), "tokenizer.ggml.model", gguf_edit.text_pair("tokenizer.ggml.model", "gpt2"))
        data = gguf_edit.with_text(data, "tokenizer.ggml.pre", "no-such-pre")
        model, text = SCRATCH / "pre.gguf", SCRATCH / "pre.txt"
        model.write_bytes(data)
        text.write_text("Once upon a time, there was a little girl. " * 4)
        for words in (["run", model, "Once", "--raw", "--max-tokens", 1], ["tokenize", model, "Once"], ["detokenize", model, 300],
                      ["perplexity", model, text, "--ctx", 16], ["logits", model, "--tokens", 1, "--out", "/dev/null"],
                      ["bench", model, "--prompt", 1, "--gen", 0, "--reps", 1]):
            with self.subTest(words=words):
                self.assert_refused(quern(*words), 1, "pre.gguf", "no-such-pre", "--allow-unknown-pre")
                done = quern(*words, "--allow-unknown-pre")
                self.assertNotIn(b"expected", done.stderr)
                self.assertEqual(done.returncode, 0, done.stderr)


class Run(Case):
    def test_greedy_answer_is_the_reference(self):
        for case in reference()[:2]:
            sure = next((i for i, m in enumerate(case["greedy_margin"]) if m < 0.05), len(case["greedy"]))
            ids = case["tokens"][1:] + case["greedy"][:sure]  # without BOS
            done = quern("run", STORIES, case["prompt"], "--raw", "--temp", 0, "--max-tokens", sure)
            whole = quern("detokenize", STORIES, *ids).stdout
            self.assertEqual(case["prompt"].encode() + done.stdout, whole)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_a_model_without_template_says_so_and_answers_raw(self):
        raw = quern("run", STORIES, "The dog", "--raw", "--temp", 0, "--max-tokens", 8)
        plain = quern("run", STORIES, "The dog", "--temp", 0, "--max-tokens", 8)
        self.assertEqual(raw.stdout, plain.stdout)
        self.assertIn(b"no chat template", plain.stderr)
        self.assertEqual(len(plain.stderr.splitlines()), 1)

    def test_a_template_that_does_not_parse_is_left_out_only_when_asked(self):
        model = SCRATCH / "stories-broken-chat.gguf"
        model.write_bytes(gguf_edit.with_text(STORIES.read_bytes(), "tokenizer.chat_template", "{{ messages }}\n{% oops %}"))
        words = ["The dog", "--temp", 0, "--max-tokens", 8]
        done = quern("run", model, *words)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertRegex(done.stderr.splitlines()[-1].decode(), r"\Aquern: \[run\] the model has a chat template that does "
                         r"not parse \(line 2: .*\); expected --raw, which gives it the prompt as it stands\Z")
        self.assertEqual(quern("run", model, "--raw", *words).stdout, quern("run", STORIES, "--raw", *words).stdout)

    def test_the_chat_template_is_applied(self):
        messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Lily"}]
        prompt = json.dumps({"messages": messages, "add_generation_prompt": True, "variables": {"bos_token": ""}})
        rendered = quern("template", chat_model(), stdin=prompt.encode()).stdout
        self.assertEqual(rendered, b"system: Be kind.\nuser: Lily\nassistant: ")
        chat = quern("run", chat_model(), "Lily", "--system", "Be kind.", "--temp", 0, "--max-tokens", 12)
        raw = quern("run", chat_model(), "--raw", "--temp", 0, "--max-tokens", 12, stdin=rendered)
        self.assertEqual(chat.stdout, raw.stdout)
        self.assertTrue(chat.stdout)

    def test_stats_are_one_json_line(self):
        done = quern("run", STORIES, "Once upon a time", "--raw", "--max-tokens", 8, "--stats")
        self.assertEqual(len(done.stderr.splitlines()), 1)
        stats = json.loads(done.stderr)
        self.assertEqual(list(stats), ["prompt_tokens", "cached_tokens", "completion_tokens", "load_ms", "ttft_ms",
                                       "prefill_tokens_per_s", "decode_tokens_per_s", "peak_rss_bytes",
                                       "finish_reason", "seed"])
        self.assertEqual((stats["prompt_tokens"], stats["cached_tokens"]), (5, 0))
        self.assertEqual((stats["completion_tokens"], stats["finish_reason"]), (8, "length"))
        for key in ("load_ms", "ttft_ms", "prefill_tokens_per_s", "decode_tokens_per_s", "peak_rss_bytes"):
            self.assertGreater(stats[key], 0, key)

    def test_a_drawn_seed_is_reported_and_repeats_the_answer(self):
        command = ("run", STORIES, "Once", "--raw", "--max-tokens", 40, "--stats")
        first = quern(*command)
        seed = json.loads(first.stderr)["seed"]
        again = quern(*command, "--seed", seed)
        other = quern(*command, "--seed", seed + 1)
        self.assertEqual(first.stdout, again.stdout)
        self.assertNotEqual(first.stdout, other.stdout)

    def test_threads_do_not_change_a_byte(self):
        command = ("run", STORIES, "One day", "--raw", "--seed", 7, "--max-tokens", 64)
        self.assertEqual(quern(*command, "--threads", 1).stdout, quern(*command, "--threads", 2).stdout)

    def test_the_prompt_may_come_from_stdin(self):
        for model, extra in ((STORIES, ["--raw"]), (chat_model(), [])):
            how = ("--temp", 0, "--max-tokens", 8, *extra)
            typed = quern("run", model, "The dog", *how)
            piped = quern("run", model, *how, stdin=b"The dog" if extra else b"The dog\n")
            self.assertEqual(typed.stdout, piped.stdout)

    def test_a_stop_text_ends_the_answer_before_it(self):
        command = ("run", STORIES, "Once upon a time", "--raw", "--temp", 0, "--max-tokens", 40, "--stats")
        whole = quern(*command).stdout.decode()
        done = quern(*command, "--stop", "never there", "--stop", "little girl")
        self.assertEqual(done.stdout.decode(), whole[:whole.index("little girl")])
        self.assertEqual(json.loads(done.stderr)["finish_reason"], "stop")

    def test_the_end_token_ends_unless_ignored(self):
        command = ("run", STORIES, "The end.", "--raw", "--temp", 0.8, "--seed", 3, "--stats", "--max-tokens", 400)
        self.assertEqual(json.loads(quern(*command, "--ignore-eos").stderr)["finish_reason"], "length")

    def test_no_token_may_be_asked_for(self):
        done = quern("run", STORIES, "The dog", "--raw", "--max-tokens", 0, "--stats")
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        self.assertEqual(json.loads(done.stderr)["completion_tokens"], 0)

    def test_what_is_wrong_is_told_in_one_line(self):
        text = SCRATCH / "notes.gguf"
        text.write_text("no model")
        self.assert_refused(quern("run", STORIES, ""), 1, "prompt is empty")
        self.assert_refused(quern("run", STORIES), 1, "prompt is empty")
        self.assert_refused(quern("run", "no-such-model", "Hi"), 1, "no-such-model", "expected")
        self.assert_refused(quern("run", text, "Hi"), 1, "GGUF")
        self.assert_refused(quern("run", STORIES, "One day " * 100, "--raw", "--ctx", 64), 1, "64", "--ctx")
        self.assert_refused(quern("run", STORIES, "Hi", "--system", "Be kind."), 1, "template")

    def test_wrong_usage_exits_with_2(self):
        for flags in (["--temp", "-1"], ["--temp", "nan"], ["--temp", "warm"], ["--top-p", "2"], ["--min-p", "-0.1"],
                      ["--repeat-penalty", "0"], ["--seed", "x"], ["--threads", "0"], ["--kv-type", "q4"],
                      ["--ctx", "0"], ["--seed", "-2"], ["--seed", str(2**64)], ["--max-tokens", "-1"], ["--no-such-flag"],
                      ["--stop", ""], ["--raw", "--system", "x"]):
            with self.subTest(flags=flags):
                self.assert_refused(quern("run", STORIES, "Hi", *flags), 2, flags[0])
        self.assert_refused(quern("run"), 2)

    def test_kv_types_are_taken(self):
        for kv_type in ("f16", "f32", "q8_0"):
            done = quern("run", STORIES, "Once upon a time", "--raw", "--temp", 0, "--max-tokens", 4, "--kv-type", kv_type)
            self.assertEqual((done.returncode, done.stdout), (0, b", there was a"), kv_type)

    def test_a_seed_of_minus_1_is_drawn(self):
        seeds = {json.loads(quern("run", STORIES, "Once", "--raw", "--max-tokens", 1, "--stats", "--seed", -1).stderr)["seed"]
                 for _ in range(2)}
        self.assertEqual(len(seeds), 2)
        largest = 2**64 - 1
        done = quern("run", STORIES, "Once", "--raw", "--max-tokens", 1, "--stats", "--seed", largest)
        self.assertEqual(json.loads(done.stderr)["seed"], largest)

    def test_a_top_k_below_1_is_off(self):
        how = ("Once", "--raw", "--temp", 2, "--top-p", 1, "--seed", 5, "--max-tokens", 40)
        off = quern("run", STORIES, *how, "--top-k", VOCAB_SIZE).stdout
        for top_k in (0, -1, -7):
            self.assertEqual(quern("run", STORIES, *how, "--top-k", top_k).stdout, off)
        self.assertNotEqual(quern("run", STORIES, *how, "--top-k", 40).stdout, off)

    def endless(self):
        return start("run", STORIES, "Once", "--raw", "--ignore-eos", "--ctx", 20000)

    def test_an_interrupt_ends_the_answer_with_130(self):
        with self.endless() as process:
            process.stdout.read(1)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 130)

    def test_a_reader_that_leaves_is_no_error(self):
        with self.endless() as process:
            process.stdout.read(1)
            process.stdout.close()
            error = process.stderr.read()
            self.assertEqual(process.wait(timeout=60), 0)
            self.assertEqual(len(error.splitlines()), 1, error)  # that the context is a long one


def rows(path):
    values = array.array("f")
    values.frombytes(path.read_bytes())
    return [values[i:i + VOCAB_SIZE] for i in range(0, len(values), VOCAB_SIZE)]


def logits_of(tokens):
    out = SCRATCH / "logits.f32"
    done = quern("logits", STORIES, "--tokens", ",".join(map(str, tokens)), "--out", out, "--kv-type", "f32")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done.stderr
    return rows(out)


class Logits(Case):
    def test_the_last_row_is_the_reference(self):
        for case in reference():
            result = logits_of(case["tokens"])
            self.assertEqual(len(result), len(case["tokens"]))
            for token, logit in case["last_top20"]:
                self.assertAlmostEqual(result[-1][token], logit, delta=2e-3)

    def test_each_row_knows_only_what_comes_before(self):
        tokens = reference()[0]["tokens"]
        self.assertEqual(logits_of(tokens)[1], logits_of(tokens[:2])[-1])

    def test_what_is_wrong_is_told(self):
        out = SCRATCH / "refused.f32"
        for tokens in ("", "1,", "1,x", "1;2", "99999999999"):
            with self.subTest(tokens=tokens):
                self.assert_refused(quern("logits", STORIES, f"--tokens={tokens}", "--out", out), 2)
        self.assert_refused(quern("logits", STORIES, "--tokens", VOCAB_SIZE, "--out", out), 1, str(VOCAB_SIZE))
        self.assert_refused(quern("logits", STORIES, "--tokens=-1", "--out", out), 1)
        self.assert_refused(quern("logits", STORIES, "--tokens", 1, "--out", "/no/such/folder/x"), 1)
        self.assert_refused(quern("logits", STORIES, "--tokens", 1, "--out", SCRATCH), 1, "Is a directory")
        self.assert_refused(quern("logits", STORIES, "--tokens", 1, "--out", "/dev/full"), 3)

    def test_a_refused_request_leaves_files_as_they_are(self):
        kept, model = SCRATCH / "kept.f32", SCRATCH / "kept.gguf"
        kept.write_text("from another day")
        self.assert_refused(quern("logits", STORIES, "--tokens", VOCAB_SIZE, "--out", kept), 1)
        self.assertEqual(kept.read_text(), "from another day")
        model.write_bytes(STORIES.read_bytes())
        self.assert_refused(quern("logits", model, "--tokens", 1, "--out", model), 1, "the model itself")
        self.assertEqual(model.read_bytes(), STORIES.read_bytes())

    def test_a_dash_is_the_standard_output(self):
        out = SCRATCH / "dash.f32"
        quern("logits", STORIES, "--tokens", "1,2", "--out", out)
        done = quern("logits", STORIES, "--tokens", "1,2", "--out", "-")
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, b"", out.read_bytes()))


class Bench(Case):
    def test_what_cannot_be_measured_is_refused_at_once(self):
        self.assert_refused(quern("bench", STORIES, "--prompt", 0, "--gen", 0), 2, "--prompt")
        self.assert_refused(quern("bench", STORIES, "--prompt", 5000), 1, "5000")
        self.assert_refused(quern("bench", STORIES, "--threads", 0), 2, "--threads")
        self.assert_refused(quern("bench", STORIES, "--prompt", 100, "--gen", 0, "--depth", 5000), 1, "5100")


class Show(Case):
    def test_memory_is_the_sum_of_its_parts(self):
        memory = json.loads(quern("show", STORIES, "--json").stdout)["memory"]
        self.assertEqual(memory["total_bytes"],
                         memory["weights_bytes"] + memory["kv_bytes"] + memory["activations_bytes"])
        # 5 layers, 4 heads of 8 for keys and for values, 2 bytes each; 512 rows of the widths in model.h, in floats.
        self.assertEqual(memory["kv_bytes"], memory["ctx"] * 5 * 2 * 4 * 8 * 2)
        self.assertGreater(memory["activations_bytes"], 512 * 2 * (64 + 64 + 32 + 172) * 4)

    def test_a_context_beyond_the_models_is_said_and_an_absurd_one_refused(self):
        self.assertIn(b"more than the model's", quern("show", STORIES, "--ctx", 100000).stdout)
        self.assertNotIn(b"more than the model's", quern("show", STORIES, "--ctx", 64).stdout)
        self.assert_refused(quern("show", STORIES, "--ctx", 999999999999), 2)


class Perplexity(Case):
    TEXT = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. " * 3

    def nlls(self, n_ctx, n_chunks):
        """The definition, from the logits of each window: ln of the probability of what comes next."""
        tokens = [1] + json.loads(quern("tokenize", STORIES, self.TEXT).stdout)
        result = []
        for begin in range(0, n_chunks * n_ctx, n_ctx):
            window = [1] + tokens[begin + 1:begin + n_ctx]
            logits = logits_of(window)
            for at in range(n_ctx // 2, n_ctx - 1):
                total = math.log(math.fsum(math.exp(x) for x in logits[at]))
                result.append(total - logits[at][window[at + 1]])
        return result

    def test_it_is_what_the_definition_says(self):
        path = SCRATCH / "story.txt"
        path.write_text(self.TEXT)
        for n_ctx in (16, 17):
            result = json.loads(quern("perplexity", STORIES, path, "--ctx", n_ctx, "--chunks", 3, "--json",
                                      "--kv-type", "f32").stdout)
            nlls = self.nlls(n_ctx, 3)
            mean = math.fsum(nlls) / len(nlls)
            variance = math.fsum((x - mean) ** 2 for x in nlls) / len(nlls) / (len(nlls) - 1)
            self.assertEqual(list(result), ["perplexity", "stderr", "n_tokens", "ctx", "chunks"])
            self.assertEqual((result["n_tokens"], result["ctx"], result["chunks"]), (len(nlls), n_ctx, 3))
            self.assertAlmostEqual(result["perplexity"] / math.exp(mean), 1, delta=1e-5)
            self.assertAlmostEqual(result["stderr"] / (math.sqrt(variance) * math.exp(mean)), 1, delta=1e-4)

    def test_what_is_wrong_is_told(self):
        path = SCRATCH / "short.txt"
        path.write_text("Once.")
        self.assert_refused(quern("perplexity", STORIES, path, "--json"), 1, "512")
        self.assert_refused(quern("perplexity", STORIES, SCRATCH / "no-such.txt"), 1, "no-such.txt")
        self.assert_refused(quern("perplexity", STORIES, path, "--ctx", "3"), 2)
        refused = quern("perplexity", STORIES, path, "--chunks", 0)
        self.assert_refused(refused, 2, "--chunks")
        self.assertLess(len(refused.stderr), 200)


class Repl(Case):
    def open(self, *flags, model=None):
        terminal = Terminal([QUERN, "run", str(model or chat_model()), "--temp", "0", *map(str, flags)], environment())
        self.addCleanup(terminal.close)
        terminal.wait_for_prompt(">>> ")
        return terminal

    def say(self, terminal, text):
        """Types a line; what is shown until the next prompt."""
        terminal.type(text + "\r")
        return terminal.wait_for_prompt("\n>>> ").replace("\r", "")

    def leave(self, terminal):
        terminal.type("/bye\r")
        self.assertEqual(terminal.exit_code(), 0)

    def test_turns_build_on_each_other(self):
        terminal = self.open("--max-tokens", 8)
        once = quern("run", chat_model(), "Lily", "--temp", 0, "--max-tokens", 8).stdout.decode()
        self.assertIn(once.strip(), self.say(terminal, "Lily"))
        self.say(terminal, "And Tom?")
        self.assertRegex(self.say(terminal, "/stats"), r"\([1-9][0-9]* from the cache\)[\s\S]*2 turns")
        self.say(terminal, "/clear")
        self.assertIn(once.strip(), self.say(terminal, "Lily"))
        self.leave(terminal)

    def test_commands(self):
        terminal = self.open("--max-tokens", 4)
        self.assertIn("/system", self.say(terminal, "/help"))
        self.assertIn("is 0.5", self.say(terminal, "/set top_p 0.5"))
        self.assertIn("is 9", self.say(terminal, "/set seed 9"))
        self.assertIn("instructions are set", self.say(terminal, "/system Be kind."))
        listed = self.say(terminal, "/set")
        for name, value in (("top_p", "0.5"), ("seed", "9"), ("system", "Be kind."), ("temperature", "0"),
                            ("max_tokens", "4"), ("top_k", "40")):
            self.assertRegex(listed, rf"{name} +{value}\n")
        self.assertIn("top_p is 7", self.say(terminal, "/set top_p 7"))
        self.assertRegex(self.say(terminal, "/set"), r"top_p +0.5\n")
        self.assertIn("default again", self.say(terminal, "/set top-p"))
        self.assertRegex(self.say(terminal, "/set"), r"top_p +0.9\n")
        self.assertIn("no setting 'mood'", self.say(terminal, "/set mood good"))
        self.assertIn("[repl] there is no command '/dance'", self.say(terminal, "/dance"))
        self.assertRegex(self.say(terminal, "/set temp warm"), r"\[set\] 'warm' [^\n]*expected a number")
        self.assertRegex(self.say(terminal, "/set top_k 1e9"), r"\[set\] '1e9' [^\n]*whole number from -2147483648 to")
        self.assertIn("repeat_penalty is 0", self.say(terminal, "/set repeat_penalty 0"))
        self.leave(terminal)

    def test_a_fenced_message_keeps_its_lines(self):
        terminal = self.open("--max-tokens", 8)
        terminal.type('"""Lily\r')
        terminal.wait_for_prompt("... ")
        terminal.type("/bye\r")
        terminal.wait_for_prompt("... ")
        shown = self.say(terminal, 'and Tom"""')
        expected = quern("run", chat_model(), "Lily\n/bye\nand Tom", "--temp", 0, "--max-tokens", 8).stdout.decode()
        self.assertIn(expected.strip(), shown)
        self.leave(terminal)

    def test_an_interrupt_stops_the_answer_not_the_program(self):
        terminal = self.open("--ignore-eos", "--ctx", 20000)
        first = quern("run", chat_model(), "Lily", "--temp", 0, "--ignore-eos", "--max-tokens", 1).stdout.decode()
        terminal.type("Lily\r")
        terminal.wait_for("Lily\r\n" + first)
        terminal.type("\x03")
        terminal.wait_for("(stopped)")
        terminal.wait_for_prompt(">>> ")
        terminal.type("half a line")
        terminal.wait_for("half a line")
        terminal.type("\x03")
        terminal.wait_for("^C")
        terminal.wait_for_prompt(">>> ")
        self.assertIn("/system", self.say(terminal, "/help"))
        terminal.type("\x04")
        self.assertEqual(terminal.exit_code(), 0)

    def test_a_full_context_drops_the_oldest_turns_visibly(self):
        terminal = self.open("--ctx", 96, "--max-tokens", 16)
        shown = "".join(self.say(terminal, f"Tell me more about Lily, part {i}") for i in range(6))
        self.assertRegex(shown, r"\x1b\[90m\(the context of 96 tokens is full: the oldest [^\n]* forgotten\)\x1b\[0m\n")
        # What can never fit costs the conversation nothing.
        refused = self.say(terminal, "One day " * 50)
        self.assertRegex(refused, r"\[repl\] the message takes [0-9]+ tokens, the context holds 96")
        self.assertNotIn("forgotten", refused)
        self.assertNotIn("[repl]", self.say(terminal, "Lily"))
        self.assertRegex(self.say(terminal, "/stats"), r"[2-9] turns")
        self.leave(terminal)

    def test_history_is_kept_for_the_next_time(self):
        terminal = self.open("--max-tokens", 2)
        self.say(terminal, "A line to remember")
        self.leave(terminal)
        self.assertIn("remember", (SCRATCH / ".quern" / "history").read_text())
        terminal = self.open("--max-tokens", 2)
        terminal.type("\x1b[A\x1b[A")  # before /bye
        terminal.wait_for("A line to remember")
        terminal.type("\r")
        terminal.wait_for_prompt("\n>>> ")
        self.leave(terminal)

    def test_a_model_without_template_talks_raw(self):
        terminal = self.open("--max-tokens", 8, model=STORIES)
        self.assertIn(", there was", self.say(terminal, "Once upon a time"))
        self.assertIn("need a chat template", self.say(terminal, "/system Be kind."))
        self.leave(terminal)

    def test_answers_cannot_drive_the_terminal(self):
        # So hot that every token is as likely as any other, those of single bytes among them.
        words = ["run", str(STORIES), "Once", "--raw", "--temp", "1e6", "--top-k", "0", "--top-p", "1", "--seed", "1",
                 "--max-tokens", "300"]
        control = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
        self.assertRegex(quern(*words).stdout, control)
        terminal = Terminal([QUERN, *words], environment())
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.exit_code(), 0)
        self.assertNotRegex(terminal.raw.replace(b"\r\n", b""), control)


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
