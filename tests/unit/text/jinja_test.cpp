// The Jinja engine on small templates. Expected texts: Jinja 3.1's documentation, and what PyPI's
// Jinja2 3.1.6 prints on Python 3.11; tests/world compares many more with the real one.
#include <gtest/gtest.h>

#include "jinja_render.h"

namespace quern::test {
namespace {

using jinja::Dict;
using jinja::Value;

TEST(Jinja, PrecedenceIsThatOfJinja) {
  EXPECT_EQ(render("{{ 2 ** 3 ** 2 }}"), "64");
  EXPECT_EQ(render("{{ -2 ** 2 }}"), "4");
  EXPECT_EQ(render("{{ 1 + 2 * 3 - 4 / 2 }}"), "5.0");
  EXPECT_EQ(render("{{ '1' + 2 ~ 3 }}"), "123") << "~ binds tighter than +";
  EXPECT_EQ(render("{{ not 1 == 2 and 3 > 2 > 1 }}"), "True");
}

TEST(Jinja, NumbersFollowPython) {
  EXPECT_EQ(render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 // 2 }}"), "-4 2 -2 3.0");
  EXPECT_EQ(render("{{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e15 }} {{ 1.5e-7 }}"),
            "0.30000000000000004 1e+16 1000000000000000.0 1.5e-07");
  EXPECT_EQ(render("{{ 2.5|round }} {{ 2.675|round(2) }} {{ 1 / 0 if false }}"), "2.0 2.67 ");
}

TEST(Jinja, AWholeNumberOfAsManyDigitsAsThePrecisionIsScientific) {
  EXPECT_EQ(render("{{ '{:.3}|{:.3}|{:.3}'.format(100.0, 99.0, 99.96) }}"), "1e+02|99.0|1e+02");
}

TEST(Jinja, IntegersBeyond64BitsAreAnError) {
  for (const char* source : {"{{ 9223372036854775807 + 1 }}", "{{ 9223372036854775808 }}",
                             "{{ 2 ** 63 }}", "{{ 3037000500 * 3037000500 }}"}) {
    EXPECT_NE(render(source).find("beyond 64 bits"), std::string::npos) << source;
  }
  EXPECT_EQ(render("{{ 9223372036854775806 + 1 }}"), "9223372036854775807");
}

TEST(Jinja, BigIntegersFromOutsideKeepTheirDigits) {
  Dict context;
  context.set("n", Value::big_integer("18446744073709551615"));
  EXPECT_EQ(render("{{ n }} {{ [n] }} {{ {'n': n}|tojson }} {{ n is integer }} {{ n is number }} "
                   "{{ n is string }} {{ n == n }} {{ n == 1 }} {{ n ~ '' }} {{ n|int }}",
                   context),
            "18446744073709551615 [18446744073709551615] {\"n\": 18446744073709551615} True True "
            "False True False 18446744073709551615 18446744073709551615");
  for (const char* source : {"{{ n + 1 }}", "{{ 1 - n }}", "{{ -n }}", "{{ n > 1 }}"}) {
    EXPECT_NE(render(source, context).find("beyond 64 bits"), std::string::npos) << source;
  }
}

TEST(Jinja, SlicesCountCharactersAndTakeNegativeSteps) {
  EXPECT_EQ(render("{{ 'Grüße'[::-1] }} {{ 'Grüße'[2:4] }} {{ 'Grüße'[-1] }}"), "eßürG üß e");
  EXPECT_EQ(render("{{ [1, 2, 3, 4][3:0:-2] }}{{ 'abc'[5:] }}"), "[4, 2]");
}

TEST(Jinja, ValuesPrintAsPythonPrintsThem) {
  EXPECT_EQ(render("{{ [none, true, 1.0, 'it\\'s', \"q\\\"\", (1,), {'a': []}] }}"),
            "[None, True, 1.0, \"it's\", 'q\"', (1,), {'a': []}]");
  EXPECT_EQ(render("{{ range(3) }}{{ {'a': 1}.items() }}"), "range(0, 3)dict_items([('a', 1)])");
}

TEST(Jinja, WhitespaceControlIsThatOfHuggingFace) {
  EXPECT_EQ(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(render("a\n  {{ 1 }}\nb"), "a\n  1\nb");
  EXPECT_EQ(render("a \n {%- if true -%} \n b {%- endif +%}\nc"), "ab\nc");
  EXPECT_EQ(render("x  {%+ if true %}y{% endif %}"), "x  y");
  EXPECT_EQ(render("  {# c #}\nb{#- d -#}  c"), "bc");
}

TEST(Jinja, LoopsHaveTheirVariables) {
  EXPECT_EQ(render("{% for x in 'abc' %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.last }} "
                   "{% endfor %}"),
            "12False 21False 30True ");
  EXPECT_EQ(render("{% for x in [1, 2, 3] if x != 2 %}{{ loop.previtem }}<{{ x }}>"
                   "{{ loop.nextitem }}/{{ loop.length }} {% endfor %}"),
            "<1>3/2 1<3>/2 ");
  EXPECT_EQ(render("{% for x in [[1, [2]], 3] recursive %}{% if x is sequence %}"
                   "({{ loop(x) }}){% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}"),
            "(1@2(2@3))3@1");
  EXPECT_EQ(render("{% for x in [] %}{% else %}none{% endfor %}"), "none");
}

TEST(Jinja, ElseRunsWhenNoIterationCompleted) {
  // A quirk of Jinja's compiled code, kept because templates may depend on it.
  EXPECT_EQ(render("{% for x in [1] %}{% break %}{% else %}e{% endfor %}"), "e");
  EXPECT_EQ(render("{% for x in [1, 2] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}"
                   "{% else %}e{% endfor %}"),
            "1");
}

TEST(Jinja, AssignmentsStayInTheirBlock) {
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}"
                   "{{ x }}"),
            "231");
  EXPECT_EQ(render("{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}"
                   "{% endfor %}{{ ns.x }}"),
            "4");
  EXPECT_EQ(render("{% if true %}{% set x = 2 %}{% endif %}{{ x }}"), "2");
}

TEST(Jinja, NamesAreResolvedAsJinjaCompilesThem) {
  Dict context;
  context.set("n", Value::integer(7));
  EXPECT_EQ(render("{{ n }}{% set n = 1 %}{{ n }}", context), "71");
  EXPECT_EQ(render("{% for i in [0] %}[{{ n }}]{% endfor %}{% set n = 1 %}{{ n }}", context), "[]1")
      << "the template's own n hides the context's from the beginning";
  EXPECT_EQ(render("{% if false %}{% set n = 1 %}{% endif %}{{ n }}", context), "7");
}

TEST(Jinja, MacrosBindTheirParameters) {
  EXPECT_EQ(render("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}"
                   "{{ m(1, 3, 4, x=5) }}{{ m(b=1) }}"),
            "13(4,){'x': 5}1(){}");
  EXPECT_EQ(render("{% macro m() %}<{{ caller(2) }}>{% endmacro %}"
                   "{% call(x) m() %}{{ x * 2 }}{% endcall %}"),
            "<4>");
  EXPECT_EQ(render("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}"),
            "[template] line 1: macro 'm' takes not more than 1 argument(s)");
}

TEST(Jinja, JsonIsWrittenAsHuggingFaceDoes) {
  EXPECT_EQ(render("{{ {'a': [1, 2.0, none], 'ü': '<\"\\n>'}|tojson }}"),
            R"({"a": [1, 2.0, null], "ü": "<\"\n>"})");
  EXPECT_EQ(render("{{ {'b': [1], 'a': {}}|tojson(indent=2, sort_keys=true) }}"),
            "{\n  \"a\": {},\n  \"b\": [\n    1\n  ]\n}");
  EXPECT_EQ(render("{{ ['🦙']|tojson(ensure_ascii=true, separators=(',', ':')) }}"),
            R"(["\ud83e\udd99"])");
}

TEST(Jinja, SafeTextEscapesWhatIsAddedToIt) {
  // markupsafe's Markup, which the filter `safe` makes even without autoescape.
  EXPECT_EQ(render("{{ '<b>'|safe + '<i>' }} {{ '<b>'|safe ~ '<i>' }}"), "<b>&lt;i&gt; <b><i>");
}

TEST(Jinja, UndefinedPrintsNothingButHasNoAttributes) {
  EXPECT_EQ(render("{{ x }}{{ x is defined }}{{ {}.a }}"), "False");
  EXPECT_EQ(render("{{ x.y }}"), "[template] line 1: 'x' is undefined");
  EXPECT_EQ(render("\n\n{{ {}.a.b }}"), "[template] line 3: 'dict object' has no attribute 'a'");
  EXPECT_EQ(render("{{ none.a.b }}"), "[template] line 1: 'None' has no attribute 'a'");
}

TEST(Jinja, NothingReachesOutsideAndNothingIsChanged) {
  EXPECT_EQ(render("{{ ''.__class__ }}{{ [].__class__ is defined }}"), "False");
  EXPECT_EQ(render("{{ [].append(1) }}"),
            "[template] line 1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(render("{{ range(100001) }}").find("Range too big") != std::string::npos, true);
}

TEST(Jinja, UnknownFiltersInIfFailOnlyWhenReached) {
  EXPECT_EQ(render("{% if false %}{{ 1|nosuch }}{% endif %}ok"), "ok");
  EXPECT_EQ(render("{{ 1|nosuch if false else 2 }}"), "2");
  EXPECT_EQ(render("{% if true %}{{ 1|nosuch }}{% endif %}"),
            "[template] line 1: No filter named 'nosuch' found.");
  EXPECT_EQ(render("a\n{{ 1|nosuch }}"), "[template] line 2: No filter named 'nosuch'.");
}

TEST(Jinja, ErrorsNameTheLineAndWhatWasExpected) {
  EXPECT_EQ(render("a\n{% if x %}\nb"),
            "[template] line 3: unexpected the end of the template; expected '{% endif %}'");
  EXPECT_EQ(render("{{ 1 + }}"), "[template] line 1: unexpected '}}'; expected an expression");
  EXPECT_EQ(render("\n{{ raise_exception('roles must alternate') }}"),
            "[template] line 2: roles must alternate");
  EXPECT_NE(render("{% include 'x' %}").find("'include' is not supported"), std::string::npos);
  EXPECT_NE(render("{{ '\xFF' }}").find("not valid UTF-8"), std::string::npos);
}

TEST(Jinja, TimeIsTheOneGiven) {
  // 2026-01-15 is a Thursday.
  EXPECT_EQ(render("{{ strftime_now('%A, %d %B %Y %I:%M %p %j %-m') }}"),
            "Thursday, 15 January 2026 01:00 PM 015 1");
}

TEST(ParseTime, FillsInTheWeekdayAndTheDayOfTheYear) {
  const auto time = parse_time("2024-12-31T23:59:58");
  ASSERT_TRUE(time.has_value());
  EXPECT_EQ(time->tm_wday, 2);    // a Tuesday
  EXPECT_EQ(time->tm_yday, 365);  // 2024 is a leap year
  EXPECT_EQ(time->tm_sec, 58);
  for (const char* text : {"", "2024", "2024-13-01", "2024-12", "2024-12-", "2024/12/01",
                           "2023-02-29T00:00:00", "2024-01-01T25:00:00"}) {
    EXPECT_FALSE(parse_time(text).has_value()) << text;
  }
}

TEST(ChatTemplate, RendersPlainMessages) {
  const auto chat = ChatTemplate::parse(
      "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m['content'] }}{% endfor %}"
      "{% if add_generation_prompt %}<assistant>{% endif %}{{ tools is none }}{{ extra }}");
  ASSERT_TRUE(chat.has_value());
  ChatPrompt prompt;
  prompt.messages = {{"system", "Be terse."}, {"user", "Hi"}};
  prompt.bos_token = "<s>";
  prompt.variables = {{"extra", Value::integer(3)}};
  EXPECT_EQ(chat->render(prompt).value_or("?"), "<s><system>Be terse.<user>Hi<assistant>True3");
}

}  // namespace
}  // namespace quern::test
