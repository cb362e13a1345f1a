"""The `anthropic` package of PyPI against `quern serve`, as a user has it: only the base URL differs.

usage: anthropic_test.py QUERN [unittest arguments]. Expected values: Anthropic's API reference, and the server's own
promise that a seed gives the same answer however it is asked for.
"""
import functools
import sys
import unittest

import anthropic

from serving import Server

MODEL = "stories"
HELLO = [{"role": "user", "content": "Once upon a time"}]
SERVER = None


@functools.cache
def client():
    return anthropic.Anthropic(base_url=SERVER.url, api_key="none", max_retries=0, timeout=60)


def request(how):
    extra = {"seed": 7, **how.pop("extra_body", {})}
    return {"model": MODEL, "messages": HELLO, "max_tokens": 12, "extra_body": extra, **how}


def create(**how):
    return client().messages.create(**request(how))


class Messages(unittest.TestCase):
    def test_a_whole_answer(self):
        answer = create()
        self.assertEqual((answer.type, answer.role, answer.model), ("message", "assistant", MODEL))
        self.assertEqual([block.type for block in answer.content], ["text"])
        self.assertTrue(answer.content[0].text)
        self.assertEqual((answer.stop_reason, answer.stop_sequence), ("max_tokens", None))
        self.assertEqual(answer.usage.output_tokens, 12)

    def test_a_stream_says_the_same(self):
        whole = create()
        with client().messages.stream(**request({})) as stream:
            events = [event.type for event in stream]
            final = stream.get_final_message()
        self.assertEqual(final.content[0].text, whole.content[0].text)
        self.assertEqual((final.stop_reason, final.usage.output_tokens), ("max_tokens", 12))
        self.assertEqual(events[0], "message_start")
        self.assertEqual(events[-3:], ["content_block_stop", "message_delta", "message_stop"])

    def test_a_prompt_is_counted_as_it_is_used(self):
        counted = client().messages.count_tokens(model=MODEL, messages=HELLO, system="Be kind.").input_tokens
        used = create(system="Be kind.").usage
        self.assertEqual(counted, used.input_tokens + used.cache_read_input_tokens)
        self.assertGreater(counted, client().messages.count_tokens(model=MODEL, messages=HELLO).input_tokens)

    def test_a_second_time_the_prompt_is_cached(self):
        messages = [{"role": "user", "content": "A dog and a cat went to the park. " * 8}]
        first = create(messages=messages, extra_body={"cache_salt": "own"}).usage
        second = create(messages=messages, extra_body={"cache_salt": "own"}).usage
        self.assertEqual(first.cache_read_input_tokens, 0)
        self.assertGreater(second.cache_read_input_tokens, 0)
        self.assertEqual(first.input_tokens, second.input_tokens + second.cache_read_input_tokens)

    def test_the_stop_sequence_is_told(self):
        greedy = {"temperature": 0}
        whole = create(max_tokens=32, extra_body=greedy).content[0].text
        stop = whole[10:14]
        answer = create(max_tokens=32, extra_body=greedy, stop_sequences=["never said", stop])
        self.assertEqual((answer.stop_reason, answer.stop_sequence), ("stop_sequence", stop))
        self.assertEqual(answer.content[0].text, whole[:whole.index(stop)])
        with client().messages.stream(**request({"max_tokens": 32, "extra_body": greedy, "stop_sequences": [stop]})) as stream:
            self.assertEqual(stream.get_final_message().stop_sequence, stop)

    def test_a_prefill_is_gone_on_with(self):
        messages = HELLO + [{"role": "assistant", "content": "there was a little"}]
        prefilled = client().messages.count_tokens(model=MODEL, messages=messages).input_tokens
        asked = client().messages.count_tokens(model=MODEL, messages=messages + HELLO).input_tokens
        self.assertLess(prefilled, asked)
        self.assertTrue(create(messages=messages).content[0].text)

    def test_tools_and_their_results_are_taken(self):
        tools = [{"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}]
        messages = HELLO + [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "11 degrees"}]}]
        self.assertTrue(create(messages=messages, tools=tools).content[0].text)


class Faults(unittest.TestCase):
    def fault(self, kind, **how):
        with self.assertRaises(kind) as told:
            create(**how)
        self.assertEqual(told.exception.body["type"], "error")
        return told.exception.body["error"]

    def test_they_name_the_field_in_anthropics_shape(self):
        error = self.fault(anthropic.BadRequestError, tool_choice={"type": "any"})
        self.assertEqual(error["type"], "invalid_request_error")
        self.assertIn("tool_choice.type", error["message"])
        self.assertIn("temperature", self.fault(anthropic.BadRequestError, extra_body={"temperature": 1.5})["message"])
        self.assertIn("thinking", self.fault(anthropic.BadRequestError, thinking={"type": "enabled", "budget_tokens": 1024})["message"])
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
        error = self.fault(anthropic.BadRequestError, messages=[{"role": "user", "content": [image]}])
        self.assertIn("'image'", error["message"])

    def test_an_unknown_model_is_404(self):
        self.assertEqual(self.fault(anthropic.NotFoundError, model="no-such")["type"], "not_found_error")

    def test_max_tokens_must_be_said(self):
        status, body = SERVER.ask("POST", "/v1/messages", {"model": MODEL, "messages": HELLO})
        self.assertEqual((status, body["error"]["type"]), (400, "invalid_request_error"))
        self.assertIn("max_tokens", body["error"]["message"])

    def test_a_deadline_has_its_status(self):
        with self.assertRaises(anthropic.APIStatusError) as told:
            create(max_tokens=400, extra_body={"timeout_ms": 1, "ignore_eos": True})
        self.assertEqual((told.exception.status_code, told.exception.body["error"]["type"]), (504, "timeout_error"))


if __name__ == "__main__":
    with Server(sys.argv.pop(1)) as SERVER:
        unittest.main(exit=False).result.wasSuccessful() or sys.exit(1)
