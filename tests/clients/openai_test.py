"""The `openai` package of PyPI against `quern serve`, as a user has it: only the base URL differs.

usage: openai_test.py QUERN [unittest arguments]. Expected values: OpenAI's API reference, and the server's own promise
that a seed gives the same answer however it is asked for.
"""
import sys
import unittest

import openai

from serving import Server

MODEL = "stories"
HELLO = [{"role": "user", "content": "Once upon a time"}]
SERVER = None


def client():
    return openai.OpenAI(base_url=SERVER.url + "/v1", api_key="none", max_retries=0, timeout=60)


def chat(**how):
    how = {"model": MODEL, "messages": HELLO, "seed": 7, "max_tokens": 12, **how}
    return client().chat.completions.create(**how)


def complete(**how):
    return client().completions.create(**{"model": MODEL, "prompt": "Once upon a time", "seed": 7, **how})


class Models(unittest.TestCase):
    def test_the_list_names_the_model(self):
        models = client().models.list().data
        self.assertEqual([model.id for model in models], [MODEL])
        self.assertEqual(client().models.retrieve(MODEL).id, MODEL)

    def test_an_unknown_one_is_404(self):
        with self.assertRaises(openai.NotFoundError):
            client().models.retrieve("no/such:model")
        with self.assertRaises(openai.NotFoundError) as told:
            chat(model="no-such-model")
        self.assertEqual(told.exception.code, "model_not_found")


class Chat(unittest.TestCase):
    def test_a_whole_answer(self):
        answer = chat()
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.model, MODEL)
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "length")
        self.assertEqual(answer.usage.completion_tokens, 12)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + 12)

    def test_a_stream_says_the_same(self):
        text, finish, usage = "", None, None
        for chunk in chat(stream=True, stream_options={"include_usage": True}):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
            usage = chunk.usage or usage
        whole = chat()
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(finish, "length")
        self.assertEqual(usage.completion_tokens, whole.usage.completion_tokens)

    def test_a_second_time_the_prompt_is_cached(self):
        messages = [{"role": "user", "content": "A dog and a cat went to the park. " * 8}]
        first = chat(messages=messages, extra_body={"cache_salt": "own"})
        second = chat(messages=messages, extra_body={"cache_salt": "own"})
        self.assertEqual(first.usage.prompt_tokens_details.cached_tokens, 0)
        self.assertGreater(second.usage.prompt_tokens_details.cached_tokens, 0)
        self.assertEqual(first.choices[0].message.content, second.choices[0].message.content)

    def test_a_drawn_seed_is_returned_and_repeats_the_answer(self):
        first = chat(seed=None)
        again = chat(seed=first.seed)
        self.assertEqual(first.choices[0].message.content, again.choices[0].message.content)

    def test_each_choice_is_its_own_draw(self):
        answer = chat(n=4, max_tokens=24)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2, 3])
        self.assertGreater(len({choice.message.content for choice in answer.choices}), 1)
        self.assertEqual(answer.choices[0].message.content, chat(max_tokens=24).choices[0].message.content)
        self.assertEqual(answer.usage.completion_tokens, sum(24 for _ in answer.choices))

    def test_logprobs_come_with_bytes(self):
        answer = chat(logprobs=True, top_logprobs=3, temperature=0)
        content = answer.choices[0].logprobs.content
        self.assertEqual(len(content), answer.usage.completion_tokens)
        for token in content:
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertLessEqual(token.logprob, 0)
            self.assertEqual(token.bytes, token.top_logprobs[0].bytes)  # temperature 0 takes the likeliest
        said = b"".join(bytes(token.bytes) for token in content).decode()
        self.assertEqual(said.strip(), answer.choices[0].message.content.strip())

    def test_stop_ends_before_the_text(self):
        whole = chat(max_tokens=32, temperature=0).choices[0].message.content
        stop = whole[10:14]
        answer = chat(max_tokens=32, temperature=0, stop=[stop])
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.choices[0].message.content, whole[:whole.index(stop)])

    def test_a_bias_bans_and_forces(self):
        drawn = chat(logprobs=True, temperature=0, max_tokens=1).choices[0].logprobs.content[0].token
        ids = SERVER.ask("POST", "/tokenize", {"model": MODEL, "prompt": drawn})[1]["tokens"]
        banned = chat(logprobs=True, temperature=0, max_tokens=1, logit_bias={str(ids[-1]): -100})
        self.assertNotEqual(banned.choices[0].logprobs.content[0].token, drawn)
        forced = complete(max_tokens=3, temperature=0, logit_bias={"300": 100})
        expected = SERVER.ask("POST", "/detokenize", {"model": MODEL, "tokens": [300, 300, 300]})[1]["prompt"]
        self.assertEqual(forced.choices[0].text.strip(), expected.strip())

    def test_faults_name_the_field(self):
        for field, value in (("temperature", 7), ("n", 0), ("top_p", "x"), ("max_tokens", 0),
                             ("tool_choice", "required")):
            with self.subTest(field=field), self.assertRaises(openai.BadRequestError) as told:
                chat(**{field: value})
            self.assertEqual(told.exception.param, field)
            self.assertEqual(told.exception.type, "invalid_request_error")

    def test_images_are_refused_by_name(self):
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        with self.assertRaises(openai.BadRequestError) as told:
            chat(messages=[{"role": "user", "content": [image]}])
        self.assertIn("image_url", told.exception.message)

    def test_a_prompt_beyond_the_context_is_refused(self):
        with self.assertRaises(openai.BadRequestError) as told:
            chat(messages=[{"role": "user", "content": "dog " * 4000}])
        self.assertEqual(told.exception.code, "context_length_exceeded")

    def test_a_deadline_has_its_status(self):
        with self.assertRaises(openai.APIStatusError) as told:
            chat(max_tokens=400, extra_body={"timeout_ms": 1, "ignore_eos": True})
        self.assertEqual(told.exception.status_code, 504)
        self.assertIn(told.exception.code, ("queue_timeout", "first_token_timeout", "total_timeout"))


class Completions(unittest.TestCase):
    def test_every_form_of_prompt(self):
        ids = SERVER.ask("POST", "/tokenize", {"model": MODEL, "prompt": "Once upon a time", "add_special": True})[1]
        as_text = complete().choices[0].text
        self.assertEqual(complete(prompt=ids["tokens"]).choices[0].text, as_text)
        several = complete(prompt=["Once upon a time", "The dog"], n=2)
        self.assertEqual([choice.index for choice in several.choices], [0, 1, 2, 3])
        self.assertEqual(several.choices[0].text, as_text)
        self.assertEqual(several.choices[2].text, complete(prompt="The dog").choices[0].text)
        self.assertEqual(complete(prompt=[ids["tokens"], [1, 300]]).choices[0].text, as_text)

    def test_sixteen_tokens_when_nothing_is_said(self):
        self.assertEqual(complete(extra_body={"ignore_eos": True}).usage.completion_tokens, 16)

    def test_streams_of_several_prompts_say_the_same(self):
        prompts = ["Once upon a time", "The dog"]
        texts = ["", ""]
        for chunk in complete(prompt=prompts, stream=True):
            for choice in chunk.choices:
                texts[choice.index] += choice.text
        self.assertEqual(texts, [choice.text for choice in complete(prompt=prompts).choices])

    def test_echo_logprobs_and_best_of(self):
        self.assertTrue(complete(echo=True).choices[0].text.startswith("Once upon a time"))
        logprobs = complete(logprobs=2).choices[0].logprobs
        self.assertEqual(len(logprobs.tokens), len(logprobs.token_logprobs))
        self.assertEqual(len(logprobs.top_logprobs[0]), 2)
        self.assertEqual(logprobs.text_offset[0], 0)
        best = complete(best_of=4)
        drawn = {choice.text for choice in complete(n=4).choices}
        self.assertEqual(len(best.choices), 1)
        self.assertIn(best.choices[0].text, drawn)


class Others(unittest.TestCase):
    def test_embeddings_of_every_form(self):
        ids = SERVER.ask("POST", "/tokenize", {"prompt": "The dog", "add_special": True})[1]["tokens"]
        answer = client().embeddings.create(model=MODEL, input=["Once upon a time", "The dog"])
        first, second = (entry.embedding for entry in answer.data)  # the client asks for base64
        self.assertAlmostEqual(sum(x * x for x in first), 1, places=4)
        self.assertNotEqual(first, second)
        self.assertGreater(answer.usage.prompt_tokens, 2)
        floats = client().embeddings.create(model=MODEL, input=[ids], encoding_format="float")
        self.assertEqual(len(floats.data[0].embedding), len(second))
        for one, other in zip(floats.data[0].embedding, second):
            self.assertAlmostEqual(one, other, places=6)
        many = client().embeddings.create(model=MODEL, input=["The dog"] * 40)
        self.assertEqual({tuple(entry.embedding) for entry in many.data}, {tuple(second)})
        with self.assertRaises(openai.BadRequestError) as told:
            client().embeddings.create(model=MODEL, input="a", dimensions=len(second) + 1)
        self.assertEqual(told.exception.param, "dimensions")

    def test_rerank_is_refused_by_name(self):
        status, body = SERVER.ask("POST", "/v1/rerank", {"model": MODEL, "query": "a", "documents": ["b"]})
        self.assertEqual((status, body["error"]["code"]), (400, "model_not_supported"))

    def test_text_goes_to_tokens_and_back(self):
        text = "Once upon a time, there was a dog."
        status, body = SERVER.ask("POST", "/tokenize", {"model": MODEL, "prompt": text})
        self.assertEqual((status, body["count"]), (200, len(body["tokens"])))
        self.assertEqual(SERVER.ask("POST", "/tokenize", {"content": text})[1], body)
        self.assertEqual(SERVER.ask("POST", "/detokenize", {"tokens": body["tokens"]}), (200, {"prompt": text}))

    def test_bodies_that_are_no_request(self):
        for body in (b"", b"{", b"[]", b"\xff", b'{"messages":' + b"[" * 200):
            self.assertEqual(SERVER.ask("POST", "/v1/chat/completions", body)[0], 400)


if __name__ == "__main__":
    with Server(sys.argv.pop(1)) as SERVER:
        unittest.main(exit=False).result.wasSuccessful() or sys.exit(1)
