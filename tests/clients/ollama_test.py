"""The `ollama` package of PyPI against `quern serve`, as a user has it: only the host differs.

usage: ollama_test.py QUERN [unittest arguments]. Expected values: Ollama's docs/api.md, and the server's own promise
that a seed gives the same answer however it is asked for.
"""
import datetime
import functools
import http.client
import sys
import unittest

import ollama

from serving import Server

MODEL = "stories"
HELLO = [{"role": "user", "content": "Once upon a time"}]
OPTIONS = {"seed": 7, "num_predict": 12}
SERVER = None


@functools.cache
def client():
    return ollama.Client(host=SERVER.url, timeout=60)


def generate(**how):
    return client().generate(**{"model": MODEL, "prompt": "Once upon a time", "options": OPTIONS, **how})


def chat(**how):
    return client().chat(**{"model": MODEL, "messages": HELLO, "options": OPTIONS, **how})


class Models(unittest.TestCase):
    def test_the_list_names_the_model(self):
        model, = client().list().models
        self.assertEqual(model.model, MODEL)
        self.assertGreater(model.size, 1_000_000)
        self.assertEqual(len(model.digest), 64)
        self.assertEqual((model.details.format, model.details.family), ("gguf", "llama"))
        self.assertIsInstance(model.modified_at, datetime.datetime)

    def test_show_tells_what_the_file_says(self):
        shown = client().show(MODEL)
        self.assertEqual(shown.modelinfo["general.architecture"], "llama")
        self.assertIsNone(shown.modelinfo["tokenizer.ggml.tokens"])  # long, and nobody asked for it
        self.assertIn("m.content", shown.template)
        self.assertEqual(shown.capabilities, ["completion"])
        verbose = SERVER.ask("POST", "/api/show", {"model": MODEL, "verbose": True})[1]
        self.assertEqual(len(verbose["model_info"]["tokenizer.ggml.tokens"]), 512)

    def test_an_unknown_one_is_404_in_ollamas_words(self):
        for call in (lambda: client().show("no-such"), lambda: generate(model="no-such"),
                     lambda: client().embed("no-such", "x")):
            with self.assertRaises(ollama.ResponseError) as told:
                call()
            self.assertEqual((told.exception.status_code, told.exception.error), (404, "model 'no-such' not found"))

    def test_a_model_comes_and_goes(self):
        self.assertEqual(generate(prompt="", keep_alive="10m").done_reason, "load")
        running, = client().ps().models
        self.assertEqual((running.model, running.size_vram), (MODEL, 0))
        left = running.expires_at - datetime.datetime.now(datetime.timezone.utc)
        self.assertAlmostEqual(left.total_seconds(), 600, delta=60)
        chat(keep_alive=-1)
        self.assertGreater(client().ps().models[0].expires_at.year, 2200)
        self.assertEqual(generate(prompt="", keep_alive=0).done_reason, "unload")
        self.assertEqual(list(client().ps().models), [])
        self.assertEqual(chat(messages=[]).done_reason, "load")

    def test_the_root_greets_and_the_version_is_told(self):
        connection = http.client.HTTPConnection("127.0.0.1", SERVER.port, timeout=60)
        for method, body in (("HEAD", b""), ("GET", b"Quern is running")):
            connection.request(method, "/")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, body))
        connection.close()
        self.assertIn("version", SERVER.ask("GET", "/api/version")[1])

    def test_what_is_to_come_says_so(self):
        for method, path in (("POST", "/api/pull"), ("POST", "/api/create"), ("POST", "/api/copy"), ("POST", "/api/push"),
                             ("DELETE", "/api/delete"), ("POST", "/api/blobs/sha256:00")):
            status, body = SERVER.ask(method, path, {"model": MODEL})
            self.assertEqual(status, 501)
            self.assertEqual(list(body), ["error"])


class Generate(unittest.TestCase):
    def test_a_whole_answer_has_its_numbers(self):
        answer = generate()
        self.assertTrue(answer.done)
        self.assertTrue(answer.response)
        self.assertEqual((answer.done_reason, answer.eval_count), ("length", 12))
        self.assertGreater(answer.prompt_eval_count, 3)
        self.assertGreater(answer.eval_duration, 0)
        self.assertGreaterEqual(answer.total_duration, answer.prompt_eval_duration + answer.eval_duration)
        self.assertTrue(answer.created_at.endswith("Z"))

    def test_a_stream_says_the_same(self):
        parts = list(generate(stream=True))
        self.assertEqual("".join(part.response for part in parts), generate().response)
        self.assertEqual([part.done for part in parts], [False] * (len(parts) - 1) + [True])

    def test_a_context_goes_on_from_what_was_said(self):
        first = generate()
        self.assertEqual(len(first.context), first.prompt_eval_count + first.eval_count)
        second = generate(prompt="And then", context=first.context)
        self.assertEqual(second.context[:len(first.context)], first.context)
        self.assertGreater(second.prompt_eval_count, first.prompt_eval_count + 12)

    def test_raw_takes_the_prompt_as_it_stands(self):
        ids = SERVER.ask("POST", "/tokenize", {"model": MODEL, "prompt": "Once upon a time", "add_special": True})[1]
        answer = generate(raw=True)
        self.assertEqual(answer.prompt_eval_count, ids["count"])
        self.assertLess(answer.prompt_eval_count, generate().prompt_eval_count)

    def test_stop_and_temperature_are_kept(self):
        whole = generate(options={"temperature": 0, "num_predict": 32}).response
        stop = whole[10:14]
        cut = generate(options={"temperature": 0, "num_predict": 32, "stop": [stop]})
        self.assertEqual((cut.response, cut.done_reason), (whole[:whole.index(stop)], "stop"))

    def test_faults_name_the_field(self):
        for how in ({"format": "json"}, {"suffix": "x"}, {"template": "{{ .Prompt }}"}, {"images": ["AAAA"]},
                    {"options": {"num_ctx": 1 << 30}}, {"options": {"mirostat": 1}}, {"think": True}):
            name = next(iter(how))
            with self.subTest(name), self.assertRaises(ollama.ResponseError) as told:
                generate(**how)
            self.assertEqual(told.exception.status_code, 400)
            self.assertIn(name if name != "options" else next(iter(how["options"])), told.exception.error)

    def test_logprobs_come_where_asked_for(self):
        answer = generate(logprobs=True, top_logprobs=2)
        self.assertEqual(len(answer.logprobs), 12)
        self.assertEqual(len(answer.logprobs[0].top_logprobs), 2)


class Chat(unittest.TestCase):
    def test_a_whole_answer_and_a_stream_are_the_same(self):
        answer = chat()
        self.assertEqual((answer.message.role, answer.done_reason), ("assistant", "length"))
        parts = list(chat(stream=True))
        self.assertEqual("".join(part.message.content for part in parts), answer.message.content)
        self.assertEqual(parts[-1].eval_count, answer.eval_count)

    def test_generate_and_chat_agree(self):
        self.assertEqual(chat().message.content, generate().response)

    def test_tools_and_their_results_are_taken(self):
        def weather(city: str) -> str:
            """The weather in a city.

            Args:
              city: its name
            """
            return city

        messages = HELLO + [
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Rome"}}}]},
            {"role": "tool", "tool_name": "weather", "content": "11 degrees"}]
        self.assertTrue(chat(messages=messages, tools=[weather]).message.content)

    def test_images_are_refused_by_name(self):
        with self.assertRaises(ollama.ResponseError) as told:
            chat(messages=[{"role": "user", "content": "x", "images": ["AAAA"]}])
        self.assertEqual(told.exception.status_code, 400)
        self.assertIn("images", told.exception.error)


class Embed(unittest.TestCase):
    def test_texts_become_vectors_of_length_one(self):
        answer = client().embed(MODEL, ["Once upon a time", "The dog"])
        self.assertEqual(len(answer.embeddings), 2)
        for vector in answer.embeddings:
            self.assertAlmostEqual(sum(number * number for number in vector), 1, places=4)
        self.assertGreater(answer.prompt_eval_count, 4)
        alone = client().embed(MODEL, "Once upon a time").embeddings
        self.assertEqual(alone, [answer.embeddings[0]])
        self.assertEqual(client().embeddings(MODEL, "Once upon a time").embedding, answer.embeddings[0])

    def test_dimensions_cut_a_vector_and_bring_it_to_length_one_again(self):
        whole = client().embed(MODEL, "The dog").embeddings[0]
        short = client().embed(MODEL, "The dog", dimensions=8).embeddings[0]
        length = sum(number * number for number in whole[:8]) ** 0.5
        for number, first in zip(short, whole[:8], strict=True):
            self.assertAlmostEqual(number, first / length, places=5)

    def test_an_input_beyond_the_context_is_cut_or_refused(self):
        self.assertEqual(len(client().embed(MODEL, "dog " * 4000).embeddings), 1)
        with self.assertRaises(ollama.ResponseError) as told:
            client().embed(MODEL, "dog " * 4000, truncate=False)
        self.assertEqual(told.exception.status_code, 400)


if __name__ == "__main__":
    with Server(sys.argv.pop(1)) as SERVER:
        unittest.main(exit=False).result.wasSuccessful() or sys.exit(1)
