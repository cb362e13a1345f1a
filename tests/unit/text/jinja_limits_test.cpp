// Templates come from strangers: whatever they hold, rendering ends soon, in bounded memory, with a
// text or one clear error. The bounds are those of jinja::Limits.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "jinja_render.h"

namespace quern::test {
namespace {

using jinja::Dict;
using jinja::Limits;
using jinja::Value;

std::string repeat(std::string_view text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    out += text;
  }
  return out;
}

void expect_error(const std::string& source, std::string_view message, const Limits& limits = {}) {
  const auto text = render_result(source, {}, limits);
  ASSERT_FALSE(text.has_value()) << source.substr(0, 100);
  EXPECT_NE(text.error().to_string().find(message), std::string::npos) << text.error().to_string();
  EXPECT_EQ(text.error().where, "template");
}

TEST(JinjaLimits, DeeplyNestedSourceIsAnError) {
  const int n = 10'000;
  const std::vector<std::string> sources = {
      "{{ " + repeat("(", n) + "1" + repeat(")", n) + " }}",
      "{{ " + repeat("[", n) + repeat("]", n) + " }}",
      "{{ " + repeat("{1:", n) + "1" + repeat("}", n) + " }}",
      "{{ " + repeat("-", n) + "1 }}",
      "{{ " + repeat("not ", n) + "1 }}",
      "{{ " + repeat("a[", n) + "1" + repeat("]", n) + " }}",
      "{{ " + repeat("f(", n) + repeat(")", n) + " }}",
      "{{ " + repeat("1 if 1 else ", n) + "1 }}",
      "{{ a" + repeat(".b", n) + " }}",
      "{{ 1" + repeat(" + 1", n) + " }}",
      "{{ 1" + repeat("|abs", n) + " }}",
      "{{ f" + repeat("()", n) + " }}",
      repeat("{% if 1 %}", n) + repeat("{% endif %}", n),
      repeat("{% for x in y %}", n) + repeat("{% endfor %}", n),
      repeat("{% macro m() %}", n) + repeat("{% endmacro %}", n),
      "{% for " + repeat("(", n) + "x" + repeat(")", n) + " in y %}{% endfor %}",
      "{{ " + repeat("(", n),
      repeat("{% if 1 %}", n),
  };
  for (const std::string& source : sources) {
    expect_error(source, "deeply");
  }
}

TEST(JinjaLimits, LongButFlatSourceIsFine) {
  EXPECT_EQ(render("{{ 'a'" + repeat(" ~ 'a'", 5000) + " }}").size(), 5001U);
  EXPECT_EQ(render("{% if 0 %}" + repeat("{% elif 0 %}", 5000) + "{% else %}x{% endif %}"), "x");
}

TEST(JinjaLimits, RecursionEnds) {
  expect_error("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recurses too deeply");
  expect_error("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recurses too deeply");
}

TEST(JinjaLimits, DeepValuesAreRefused) {
  expect_error(
      "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}"
      "{% endfor %}",
      "nested too deeply");
  expect_error(
      "{% set ns = namespace(x=1) %}{% for i in range(100000) %}"
      "{% for y in [ns.x] %}{% set ns.x = loop %}{% endfor %}{% endfor %}",
      "nested too deeply");
}

TEST(JinjaLimits, LongChainsOfNamespacesAndMacrosAreFreedWithoutRecursion) {
  EXPECT_EQ(render("{% set ns = namespace(x=1) %}{% for i in range(100000) %}"
                   "{% set n = namespace(x=ns.x) %}{% set ns.x = n %}{% endfor %}ok"),
            "ok");
  EXPECT_EQ(render("{% set ns = namespace(m=1) %}{% macro a(prev) %}{% macro b() %}{{ prev }}"
                   "{% endmacro %}{% set ns.m = b %}{% endmacro %}"
                   "{% for i in range(50000) %}{{ a(ns.m) }}{% endfor %}ok"),
            "ok");
}

TEST(JinjaLimits, CyclesPrintAsErrorsAndDoNotLeak) {
  expect_error("{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}", "too deeply");
  EXPECT_EQ(render("{% for x in [1] %}{{ loop.changed(loop) }}{% endfor %}"), "True");
}

TEST(JinjaLimits, StepsOutputAndMemoryAreBounded) {
  expect_error("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
               "too many steps", {.fuel = 10'000'000});
  expect_error("{% for i in range(99999) %}0123456789{% endfor %}", "too much text",
               {.output_bytes = 1000});
  for (const char* source :
       {"{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}"
        "{% endfor %}",
        "{{ 'x' * 9223372036854775807 }}",
        "{{ [1] * 9223372036854775807 }}",
        "{{ 'x'.center(9223372036854775807) }}",
        "{{ '%2000000000d' % 1 }}",
        "{{ '{:>2000000000}'.format(1) }}",
        "{{ 'a'.replace('', 'x' * 100000) * 100000 }}",
        "{{ [1]|batch(9223372036854775807, 0)|list }}",
        "{{ [1]|slice(9223372036854775807)|list }}",
        "{{ [1]|tojson(indent=9223372036854775807) }}",
        "{{ 'a'|indent(9223372036854775807) }}",
        "{{ 'a'.zfill(9223372036854775807) }}",
        "{{ '\t'.expandtabs(9223372036854775807) }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%.999999999d' % 1 }}",
        "{{ '%*d' % (999999999, 1) }}",
        "{{ [1]|tojson(indent=100000000) }}",
        "{{ ('b' * 100000).join(['a'] * 100000) }}",
        "{{ (['a'] * 100000)|join('b' * 100000) }}",
        "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000)|replace('', 'b' * 100000) }}",
        "{{ 'x' * 900000000 }}",
        "{{ 'x'|center(900000000) }}",
        "{{ 'x'.ljust(900000000) }}",
        "{{ ('a\n' * 10000)|indent(1000000) }}",
        "{{ ('a' * 30000000)|list }}",
        "{{ ('a' * 30000000).split('a') }}",
        "{{ '&' * 20000000 ~ ('&' * 20000000)|e }}",
        "{{ ('&' * 30000000)|urlencode }}"}) {
    expect_error(source, "too much memory", {.memory_bytes = 64 << 20});
  }
}

// Text that a macro has written so far is alive while it calls another.
TEST(JinjaLimits, TextsInTheMakingCountAsMemory) {
  expect_error("{% macro m(n) %}{{ 'x' * 1000000 }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
               "too much memory", {.memory_bytes = 16 << 20});
  expect_error("{% for x in [[]] recursive %}{{ 'x' * 1000000 }}{{ loop([x]) }}{% endfor %}",
               "too much memory", {.memory_bytes = 16 << 20});
  expect_error("{% macro m(a) %}{{ m(*varargs) }}{% endmacro %}{{ m(*range(99999)) }}",
               "too much memory", {.memory_bytes = 16 << 20});
}

// Small objects count too: bound methods, undefined values, cyclers.
TEST(JinjaLimits, SmallObjectsCountAsMemory) {
  for (const char* item : {"'a'.upper", "nope", "{}.nope", "cycler(1)", "joiner()"}) {
    expect_error("{% set ns = namespace(l=none) %}{% for i in range(99999) %}{% set ns.l = (ns, " +
                     std::string(item) + ", " + item +
                     ") %}{% set n = namespace(x=ns.l) %}"
                     "{% endfor %}",
                 "too much memory", {.memory_bytes = 8 << 20});
  }
}

// Each makes many bytes or items work in few steps.
TEST(JinjaLimits, WorkWithinAStepIsPaidFor) {
  for (const char* source :
       {"{% for i in range(1000) %}{{ (('ß' * 1000000)|upper)|length }}{% endfor %}",
        "{% set a = 'é' * 10000000 %}{% for i in range(1000) %}{{ a[9999998] }}{% endfor %}",
        "{% set a = 'e' * 10000000 %}{% for i in range(100) %}{{ a[::-1]|length }}{% endfor %}",
        "{% set a = 'é' * 1000000 %}{% for i in range(1000) %}{{ a[::-1]|length }}{% endfor %}",
        "{% set a = 'é' * 1000000 %}{% for i in range(1000) %}{{ a[5:]|length }}{% endfor %}",
        "{% set a = 'a' * 9000000 %}{% for i in range(1000) %}{{ a.count('b') }}{% endfor %}",
        "{% set a = 'a' * 9000000 %}{% for i in range(1000) %}{{ a.rfind('b') }}{% endfor %}",
        "{% set a = 'a' * 9000000 %}{% for i in range(1000) %}{{ 'b' in a }}{% endfor %}",
        "{% set a = ' ' * 9000000 %}{% for i in range(1000) %}{{ a|trim }}{% endfor %}",
        "{% set a = ' ' * 9000000 %}{% for i in range(1000) %}{{ a.split() }}{% endfor %}",
        "{{ ('b' * 1000000).strip('a' * 1000000 + 'b') }}",
        "{% set a = 'a' * 9000000 %}{% set b = 'a' * 9000000 %}"
        "{% for i in range(9999) %}{{ a == b }}{{ a is sameas b }}{{ a < b }}{% endfor %}",
        "{% set a = 'a' * 9000000 %}{% for i in range(9999) %}{{ {}[a] }}{% endfor %}",
        "{% set a = 'a' * 9000000 %}{% for i in range(9999) %}{{ a.startswith(a) }}{% endfor %}",
        "{% set a = 'é' * 9000000 %}{% for i in range(99) %}{{ a.isalpha() }}{% endfor %}",
        "{% set a = 'é' * 9000000 %}{% for i in range(99) %}{{ a|wordcount }}{% endfor %}",
        "{% for i in range(99999) %}{% set x = '%.1000f' % 1e-300 %}{% endfor %}",
        "{% for i in range(99999) %}{% set x = 1.1e-300|round(320) %}{% endfor %}",
        "{% set l = range(100000)|list %}{% for i in range(999) %}{{ l|sort|length }}{% endfor %}",
        "{% set l = range(100000)|list %}{% for i in range(999) %}{{ l|last }}{% endfor %}",
        "{% set l = range(100000)|list %}{% for i in range(999) %}{{ l[1:]|length }}{% endfor %}",
        "{% set l = range(100000)|list %}{% for i in range(999) %}{{ -1 in l }}{% endfor %}",
        "{% set l = range(90000) %}{% for i in l %}{% for j in l %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}"
        "{% endfor %}{{ {}[ns.x] }}",
        "{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}"
        "{% endfor %}{{ {}.get(ns.x) }}"}) {
    expect_error(source, "too many steps", {.fuel = Limits{}.fuel / 10});
  }
}

// A needle that nearly matches everywhere: quadratic unless the search is linear.
TEST(JinjaLimits, SearchesAreLinear) {
  const std::string haystack =
      "{% set a = 'a' * 1000000 %}{% set b = 'a' * 500000 + 'b' %}"
      "{% set c = 'b' + 'a' * 500000 %}";
  EXPECT_EQ(render(haystack + "{{ a.count(b) }} {{ b in a }} {{ a.find(b) }} {{ a.rfind(c) }} "
                              "{{ a.split(b)|length }} {{ a.rsplit(c)|length }} "
                              "{{ a.partition(b)[1] }}{{ a.rpartition(c)[1] }}"
                              "{{ a.replace(b, '')|length }}"),
            "0 False -1 -1 1 1 1000000");
}

TEST(JinjaLimits, SearchesFromTheEndFindTheLast) {
  EXPECT_EQ(render("{{ 'abaabab'.rfind('aba') }} {{ 'abaabab'.rfind('ab') }} "
                   "{{ 'aaaa'.rsplit('aa') }} {{ 'a-b--c'.rsplit('-', 1) }} {{ 'aab'.rfind('') }}"),
            "3 5 ['', '', ''] ['a-b-', 'c'] 3");
}

// Keys made to collide cost what their search costs.
TEST(JinjaLimits, EqualHashesArePaidFor) {
  Dict dict;
  for (int i = 0; i < 100; ++i) {
    dict.set(Value::integer(i), Value::none());
  }
  EXPECT_LT(dict.longest_probe(), 30U);
  // none and an undefined value have the same hash, and so do tuples of them.
  Dict colliding;
  for (int i = 0; i < 64; ++i) {
    std::vector<Value> key;
    for (int bit = 0; bit < 6; ++bit) {
      key.push_back((i >> bit & 1) != 0 ? Value::none() : Value());
    }
    colliding.set(Value::tuple(std::move(key)), Value::none());
  }
  EXPECT_EQ(colliding.size(), 64U);
  EXPECT_EQ(colliding.longest_probe(), 64U);
}

std::string message_of(int i) {
  return "Message " + std::to_string(i) + ": **Grüße**, 你好! <think>a</think> b\n\n" +
         repeat("The quick brown fox jumps over the lazy dog. ", 20);
}

// 1 MB in 1000 messages, each handled as the most thorough templates do, and 100 tools: within a
// third of the fuel.
TEST(JinjaLimits, LongPromptsFit) {
  std::vector<Value> messages;
  for (int i = 0; i < 1000; ++i) {
    Dict message;
    message.set("role", Value::string(i % 2 == 0 ? "user" : "assistant"));
    message.set("content", Value::string(message_of(i)));
    messages.push_back(Value::dict(std::move(message)));
  }
  std::vector<Value> tools;
  for (int i = 0; i < 100; ++i) {
    Dict tool;
    tool.set("name", Value::string("tool" + std::to_string(i)));
    tool.set("description", Value::string(message_of(i)));
    tools.push_back(Value::dict(std::move(tool)));
  }
  Dict context;
  context.set("messages", Value::list(std::move(messages)));
  context.set("tools", Value::list(std::move(tools)));
  const std::string source =
      "{{ tools|tojson(indent=4) }}{% for t in tools %}{{ t|tojson }}{% endfor %}"
      "{% set ns = namespace(last=0) %}{% for m in messages[::-1] %}"
      "{% if '<tool>' not in m.content and m.content.startswith('<') %}{% endif %}{% endfor %}"
      "{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}"
      "{% endfor %}"
      "{% for m in messages %}{% set c = m.content|trim %}"
      "{% if '</think>' in c %}{% set r = c.split('</think>')[0].rstrip('\n').split('<think>')[-1] "
      "%}{% set c = c.split('</think>')[-1].lstrip('\n') %}{% endif %}"
      "{% set c = c.replace('**', '')|replace('\n', ' ') %}"
      "{{ '<|im_start|>' ~ m['role'] ~ '\n' + c + '<|im_end|>' }}{{ c.strip() }}{% endfor %}";
  const Limits third = {.fuel = Limits{}.fuel / 3};
  const auto text = render_result(source, context, third);
  ASSERT_TRUE(text.has_value()) << text.error().to_string();
  EXPECT_GT(text->size(), 1'900'000U);
}

TEST(JinjaLimits, LongMessagesOfErrorsAreCut) {
  const auto text = render_result("{{ raise_exception('x' * 1000000) }}");
  ASSERT_FALSE(text.has_value());
  EXPECT_LT(text.error().what.size(), 11'000U);
  const auto name = render_result("{{ {}['x' * 1000000].y }}");
  ASSERT_FALSE(name.has_value());
  EXPECT_LT(name.error().what.size(), 1000U);
}

TEST(JinjaLimits, FiltersLeftOutAreNamed) {
  for (const char* name : {"wordwrap", "pprint", "random", "urlize"}) {
    expect_error("{{ 'a'|" + std::string(name) + " }}",
                 "the filter '" + std::string(name) + "' is not supported");
  }
  expect_error("{{ 'a'|nope }}", "No filter named 'nope'.");
  expect_error("{% autoescape true %}a{% endautoescape %}", "autoescape");
}

TEST(JinjaLimits, SharedValuesCostWhatTheyUnfoldTo) {
  const std::string doubled =
      "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
      "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}"
      "{% endfor %}";
  for (const char* use : {"{{ ns.x == ns.y }}", "{{ ns.x|tojson }}", "{{ ns.x }}",
                          "{{ ns.x < ns.y }}", "{{ ns.x in [ns.y] }}"}) {
    EXPECT_FALSE(render_result(doubled + use, {}, {.fuel = 50'000'000}).has_value()) << use;
  }
}

TEST(JinjaLimits, MemoryIsFreedAsValuesDie) {
  // 100,000 strings of 1 kB, one after the other, in 32 MiB.
  const auto text =
      render_result("{% for i in range(100000) %}{% set x = 'a' * 1000 %}{% endfor %}ok", {},
                    {.memory_bytes = 32 << 20});
  EXPECT_EQ(text.value_or("?"), "ok");
}

TEST(JinjaLimits, SubscriptsNeedAnIndex) {
  for (const char* source : {"{{ a[] }}", "{{ a[, 1] }}", "{{ a[,] }}", "{{ a[1 2] }}"}) {
    EXPECT_FALSE(render_result(source).has_value()) << source;
  }
}

TEST(JinjaLimits, EveryCutOfATemplateIsTextOrError) {
  const std::string source =
      "{% macro m(a, b=[1, {'k': none}]) %}{{ '%s' % a ~ b|tojson(indent=2) }}{% endmacro %}\n"
      "{%- for k, v in {'a': 1.5e3}.items() if v is not none recursive -%}{{ loop.index }}"
      "{% else %}{# c #}{% raw %}{{ }}{% endraw %}{% endfor %}{% set x | upper %}y{% endset %}"
      "{% call(z) m(x[::-1]) %}{{ z if z else \"\\u00e9\" }}{% endcall %}";
  for (size_t n = 0; n <= source.size(); ++n) {
    const auto text = render_result(source.substr(0, n));
    EXPECT_TRUE(text || text.error().where == "template") << n;
  }
}

TEST(ChatTemplate, RendersOnManyThreadsAtOnce) {
  const auto chat = ChatTemplate::parse(
      "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
      "{{ ns.n }}{{ m.content|upper }}{% endfor %}");
  ASSERT_TRUE(chat.has_value());
  ChatPrompt prompt;
  prompt.messages = {{"user", "a"}, {"assistant", "b"}};
  std::vector<std::string> texts(4);
  {
    std::vector<std::jthread> threads;
    for (std::string& text : texts) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          text = chat->render(prompt).value_or("?");
        }
      });
    }
  }
  EXPECT_EQ(texts, std::vector<std::string>(4, "1A2B"));
}

}  // namespace
}  // namespace quern::test
