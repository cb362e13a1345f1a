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
               "too many steps", {.steps = 100'000});
  expect_error("{% for i in range(99999) %}0123456789{% endfor %}", "too much text",
               {.output_bytes = 1000});
  for (const char* source :
       {"{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}"
        "{% endfor %}",
        "{{ 'x' * 9223372036854775807 }}", "{{ [1] * 9223372036854775807 }}",
        "{{ 'x'.center(9223372036854775807) }}", "{{ '%2000000000d' % 1 }}",
        "{{ '{:>2000000000}'.format(1) }}", "{{ 'a'.replace('', 'x' * 100000) * 100000 }}",
        "{{ [1]|batch(9223372036854775807, 0)|list }}", "{{ [1]|slice(9223372036854775807)|list }}",
        "{{ [1]|tojson(indent=9223372036854775807) }}", "{{ 'a'|indent(9223372036854775807) }}",
        "{{ 'a'.zfill(9223372036854775807) }}", "{{ '\t'.expandtabs(9223372036854775807) }}"}) {
    expect_error(source, "too much memory", {.memory_bytes = 64 << 20});
  }
}

TEST(JinjaLimits, SharedValuesCostWhatTheyUnfoldTo) {
  const std::string doubled =
      "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
      "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}"
      "{% endfor %}";
  for (const char* use : {"{{ ns.x == ns.y }}", "{{ ns.x|tojson }}", "{{ ns.x }}",
                          "{{ ns.x < ns.y }}", "{{ ns.x in [ns.y] }}"}) {
    EXPECT_FALSE(render_result(doubled + use, {}, {.steps = 1'000'000}).has_value()) << use;
  }
}

TEST(JinjaLimits, MemoryIsFreedAsValuesDie) {
  // 100,000 strings of 1 kB, one after the other, in 1 MB.
  const auto text =
      render_result("{% for i in range(100000) %}{% set x = 'a' * 1000 %}{% endfor %}ok", {},
                    {.memory_bytes = 16 << 20});
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
