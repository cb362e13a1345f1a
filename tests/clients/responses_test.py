"""The responses of the `openai` package of PyPI against `quern serve`.

usage: responses_test.py QUERN [unittest arguments]. Expected values: OpenAI's API reference ("Responses"), and the
server's own promise that a seed gives the same answer however it is asked for.
"""
import functools
import sys
import unittest

import openai

from serving import Server

MODEL = "stories"
SERVER = None


@functools.cache
def client():
    return openai.OpenAI(base_url=SERVER.url + "/v1", api_key="none", max_retries=0, timeout=60)


def create(**how):
    extra = {"seed": 7, **how.pop("extra_body", {})}
    how = {"model": MODEL, "input": "Once upon a time", "max_output_tokens": 16, "extra_body": extra, **how}
    return client().responses.create(**how)


class Responses(unittest.TestCase):
    def test_a_whole_answer(self):
        response = create(metadata={"a": "b"}, instructions="Be kind.")
        self.assertEqual((response.object, response.model, response.metadata), ("response", MODEL, {"a": "b"}))
        self.assertEqual((response.status, response.incomplete_details.reason), ("incomplete", "max_output_tokens"))
        self.assertTrue(response.output_text)
        self.assertEqual([item.type for item in response.output], ["message"])
        self.assertEqual(response.usage.output_tokens, 16)
        self.assertEqual(response.usage.total_tokens, response.usage.input_tokens + 16)
        self.assertEqual(response.instructions, "Be kind.")

    def test_it_says_what_chat_says(self):
        chat = client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Once upon a time"}],
                                                seed=7, max_tokens=16)
        self.assertEqual(create().output_text, chat.choices[0].message.content)

    def test_a_stream_says_the_same_in_numbered_events(self):
        events = list(create(stream=True))
        self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
        types = [event.type for event in events]
        self.assertEqual(types[:4], ["response.created", "response.in_progress", "response.output_item.added",
                                     "response.content_part.added"])
        self.assertEqual(types[-4:], ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                                      "response.incomplete"])
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        self.assertEqual(text, create().output_text)
        self.assertEqual(events[-1].response.output_text, text)

    def test_a_stop_of_its_own_is_complete(self):
        end = {"logit_bias": {"2": 100}}  # </s> in this model
        response = create(extra_body=end)
        self.assertEqual((response.status, response.output_text), ("completed", ""))
        self.assertEqual(list(create(extra_body=end, stream=True))[-1].type, "response.completed")
        self.assertIsNone(response.incomplete_details)

    def test_a_later_one_goes_on_from_an_earlier_one(self):
        first = create()
        second = create(input="And then", previous_response_id=first.id)
        spelled = create(input=[{"role": "user", "content": "Once upon a time"},
                                {"role": "assistant", "content": first.output_text},
                                {"role": "user", "content": "And then"}])
        self.assertEqual(second.output_text, spelled.output_text)
        self.assertEqual(second.usage.input_tokens, spelled.usage.input_tokens)
        self.assertEqual(second.previous_response_id, first.id)
        self.assertGreater(spelled.usage.input_tokens_details.cached_tokens, 0)

    def test_what_is_stored_can_be_read_and_forgotten(self):
        made = create()
        self.assertEqual(client().responses.retrieve(made.id).output_text, made.output_text)
        client().responses.delete(made.id)
        with self.assertRaises(openai.NotFoundError):
            client().responses.retrieve(made.id)
        with self.assertRaises(openai.NotFoundError):
            client().responses.delete(made.id)
        with self.assertRaises(openai.BadRequestError) as told:
            create(previous_response_id=made.id)
        self.assertEqual(told.exception.code, "previous_response_not_found")
        unstored = create(store=False)
        with self.assertRaises(openai.NotFoundError):
            client().responses.retrieve(unstored.id)

    def test_a_stream_is_stored_too(self):
        last = list(create(stream=True))[-1].response
        self.assertEqual(client().responses.retrieve(last.id).output_text, last.output_text)

    def test_function_calls_and_their_outputs_are_taken(self):
        tools = [{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": None}]
        response = create(tools=tools, input=[
            {"role": "user", "content": [{"type": "input_text", "text": "How is the weather?"}]},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{\"city\":\"Rome\"}"},
            {"type": "function_call_output", "call_id": "c1", "output": "11 degrees"}])
        self.assertTrue(response.output_text)
        self.assertEqual(response.tools[0].name, "weather")

    def test_faults_name_the_field(self):
        image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
        for param, how in (("text.format.type", {"text": {"format": {"type": "json_object"}}}),
                           ("tool_choice", {"tool_choice": "required"}),
                           ("tools[0].type", {"tools": [{"type": "web_search"}]}),
                           ("background", {"background": True}),
                           ("reasoning.effort", {"reasoning": {"effort": "high"}}),
                           ("input[0].content[0].type", {"input": [{"role": "user", "content": [image]}]}),
                           ("max_output_tokens", {"max_output_tokens": 0})):
            with self.subTest(param), self.assertRaises(openai.BadRequestError) as told:
                create(**how)
            self.assertEqual(told.exception.param, param)


if __name__ == "__main__":
    with Server(sys.argv.pop(1)) as SERVER:
        unittest.main(exit=False).result.wasSuccessful() or sys.exit(1)
