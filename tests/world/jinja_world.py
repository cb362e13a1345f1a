"""Compares the Jinja engine with PyPI's Jinja2 under Hugging Face transformers' settings.

usage: jinja_world.py RENDERER [TEMPLATE_FOLDER...]

RENDERER is the program built from render_cases.cpp. Snippets from jinja_snippets.py are rendered by
both, and so is every *.jinja file of the folders with a set of conversations. Texts must be equal;
where Jinja2 fails, the renderer must fail too.
"""

import copy
import datetime
import functools
import itertools
import json
import pathlib
import re
import subprocess
import sys

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

import jinja_snippets

NOW = "2026-01-15T12:34:56"


class Generation(jinja2.ext.Extension):
    """{% generation %} renders its content, as outside of training."""

    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_render")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(lineno)

    def _render(self, caller):
        return caller()


def make_environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    now = datetime.datetime.fromisoformat(NOW)
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = now.strftime
    return env


@functools.lru_cache(maxsize=4)
def compiled(env, source):
    return env.from_string(source)


def expected(env, case):
    try:
        return {"text": compiled(env, case["template"]).render(**copy.deepcopy(case["context"]))}
    except Exception as error:  # whatever Jinja2 refuses, Quern has to refuse
        return {"error": f"{type(error).__name__}: {error}"}


def cannot_match(want):
    """Addresses of Python's objects and complex numbers."""
    text = want.get("text", "")
    return " at 0x" in text.lower() or re.search(r"\d+j\)", text)


def same_error(error, answer):
    """Messages that templates raise themselves, or that tell what is undefined, are kept."""
    kind, _, message = error.partition(": ")
    got = answer.get("error")
    return got is not None and (kind not in ("TemplateError", "UndefinedError") or message in got)


def ours(renderer, cases):
    lines = "".join(json.dumps(dict(case, now=NOW)) + "\n" for case in cases)
    run = subprocess.run([renderer], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def conversations():
    tools = [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "Weather of a city.\nSecond line <b>\"x\"</b>",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "city": {"type": "string", "description": "Zürich, e.g."},
                        "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
                        "days": {"type": ["integer", "null"], "minimum": 1, "maximum": 1.5e20},
                        "where": {
                            "type": "object",
                            "properties": {"lat": {"type": "number"}},
                            "required": ["lat"],
                        },
                        "tags": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": ["city"],
                },
                "return": {"type": "string"},
            },
        }
    ]
    call = {
        "id": "call00001",
        "type": "function",
        "function": {
            "name": "get_weather",
            "arguments": {"city": "Zürich", "days": 2, "x": 0.1, "ok": True, "n": None},
        },
    }
    text_call = json.loads(json.dumps(call))
    text_call["function"]["arguments"] = '{"city": "Bern"}'
    user = {"role": "user", "content": "Hi <b>\"there\"</b> & 'you' 日本 🦙\n\n  "}
    answer = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello!"}
    reasoned = {"role": "assistant", "content": "4", "reasoning_content": "2+2", "thinking": "so"}
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    image = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}
    result = {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "rain"}
    json_result = dict(result, content='{"weather": "rain"}')
    system = {"role": "system", "content": "Be terse."}
    developer = {"role": "developer", "content": "Be kind."}
    called = {"role": "assistant", "content": "", "tool_calls": [call]}
    called_text = {"role": "assistant", "content": None, "tool_calls": [text_call]}
    bare = {"role": "assistant", "tool_calls": [call, dict(call, id="call00002")]}
    histories = [
        [user],
        [system, user],
        [developer, user],
        [system, user, answer, user],
        [user, reasoned, user],
        [parts],
        [image],
        [system, user, called, result, user],
        [user, called_text, json_result, answer],
        [user, bare, result, dict(result, tool_call_id="call00002"), answer, user],
        [user, answer],
        [user, user],
        [system],
        [],
        [{"role": "nobody", "content": "?"}],
    ]
    for messages, with_tools, generate in itertools.product(histories, (None, tools), (True, False)):
        for extra in ({}, {"enable_thinking": False}, {"enable_thinking": True}):
            yield dict(
                messages=messages,
                tools=with_tools,
                documents=None,
                add_generation_prompt=generate,
                bos_token="<s>",
                eos_token="</s>",
                **extra,
            )


def template_cases(folders):
    for folder in folders:
        for path in sorted(pathlib.Path(folder).glob("*.jinja")):
            source = path.read_text()
            for i, context in enumerate(conversations()):
                yield {"name": f"{path.name} {i}", "template": source, "context": context}


def snippet_cases():
    for template in jinja_snippets.snippets():
        yield {"name": template, "template": template, "context": jinja_snippets.CONTEXT}


def main():
    renderer, folders = sys.argv[1], sys.argv[2:]
    env = make_environment()
    cases = list(snippet_cases()) + list(template_cases(folders))
    answers = ours(renderer, cases)
    if len(answers) != len(cases):
        sys.exit(f"jinja_world: {len(answers)} answers for {len(cases)} cases")
    n_wrong = n_errors = n_left_out = 0
    for case, answer in zip(cases, answers):
        want = expected(env, case)
        if cannot_match(want):
            n_left_out += 1
            continue
        n_errors += "error" in want
        same = want == answer if "text" in want else same_error(want["error"], answer)
        if not same:
            n_wrong += 1
            if n_wrong <= 40:
                print(f"DIFFERS {case['name']!r}\n  Jinja2: {want}\n  Quern:  {answer}"[:3000])
    print(f"jinja_world: {len(cases)} cases, {n_errors} of them errors, {n_left_out} left out, {n_wrong} different")
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
