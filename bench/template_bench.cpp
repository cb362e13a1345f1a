// Chat templates: parsing once per model, rendering once per request.
#include <benchmark/benchmark.h>

#include <string>

#include "text/chat_template.h"

namespace quern {
namespace {

// The shape of templates in use: a system turn, tools as JSON, calls and their results.
constexpr std::string_view kTemplate = R"({%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
    {%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
    {{- '<|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(last=messages|length - 1) %}
{%- for message in messages %}
    {%- if message.role == 'assistant' and '</think>' in message.content %}
        {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
    {%- else %}
        {%- set content = message.content %}
    {%- endif %}
    {%- if not loop.first or message.role != 'system' %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %})";

void template_parse(benchmark::State& state) {
  for (const auto _ : state) {
    auto chat = ChatTemplate::parse(kTemplate);
    benchmark::DoNotOptimize(chat);
  }
}
BENCHMARK(template_parse);

// By number of messages.
void template_render(benchmark::State& state) {
  const auto chat = ChatTemplate::parse(kTemplate);
  ChatPrompt prompt;
  prompt.messages.push_back({"system", "You are terse."});
  for (int64_t i = 1; i < state.range(0); ++i) {
    prompt.messages.push_back({i % 2 == 1 ? "user" : "assistant", std::string(400, 'x')});
  }
  for (const auto _ : state) {
    auto text = chat->render(prompt);
    benchmark::DoNotOptimize(text);
  }
}
BENCHMARK(template_render)->Arg(3)->Arg(101);

}  // namespace
}  // namespace quern
