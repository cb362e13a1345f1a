// The tests behind `is`. Source: Jinja's documentation, "List of Builtin Tests".
#include <algorithm>
#include <array>

#include "text/jinja/operators.h"
#include "text/jinja/params.h"
#include "text/jinja/print.h"
#include "text/jinja/tables.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

// A name of its own, because several files define a `join` or a `count`.
namespace test_functions {
namespace {

Result<Value> yes(bool holds) {
  return Value::boolean(holds);
}

Status no_arguments(const Call& call) {
  QUERN_TRY(Params::bind(call, {.function = "test", .names = {}}));
  return {};
}

template <Kind... kinds>
Result<Value> is_kind(const Call& call) {
  QUERN_TRY(no_arguments(call));
  return yes((call.self.is(kinds) || ...));
}

Result<Value> is_defined(const Call& call) {
  QUERN_TRY(no_arguments(call));
  return yes(!call.self.is(Kind::undefined));
}

template <bool wanted>
Result<Value> is_exactly(const Call& call) {
  QUERN_TRY(no_arguments(call));
  return yes(call.self.is(Kind::boolean) && call.self.as_bool() == wanted);
}

Result<Value> is_number(const Call& call) {
  QUERN_TRY(no_arguments(call));
  return yes(call.self.is_number() || call.self.is(Kind::big_integer));
}

Result<Value> is_sequence(const Call& call) {
  switch (call.self.kind()) {
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::range:
    case Kind::undefined:
      return yes(true);
    default:
      return yes(false);
  }
}

Result<Value> is_iterable(const Call& call) {
  QUERN_TRY(no_arguments(call));
  return yes(iterable(call.self));
}

Result<Value> is_callable(const Call& call) {
  switch (call.self.kind()) {
    case Kind::function:
    case Kind::macro:
    case Kind::loop:
    case Kind::joiner:
    case Kind::undefined:
      return yes(true);
    default:
      return yes(false);
  }
}

template <int64_t rest>
Result<Value> is_parity(const Call& call) {
  QUERN_ASSIGN(const Value modulo,
               binary(call.runtime, Operator::modulo, {call.self, Value::integer(2)}));
  return yes(equals(modulo, Value::integer(rest)));
}

Result<Value> is_divisible_by(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "divisibleby", .names = {"num"}, .n_required = 1}));
  QUERN_ASSIGN(const Value modulo, binary(call.runtime, Operator::modulo, {call.self, p[0]}));
  return yes(equals(modulo, Value::integer(0)));
}

Result<Value> is_filter(const Call& call) {
  QUERN_TRY(call.runtime.check_hashable(call.self));
  return yes(call.self.is(Kind::string) && find_filter(call.self.text()) != nullptr);
}

Result<Value> is_test(const Call& call) {
  QUERN_TRY(call.runtime.check_hashable(call.self));
  return yes(call.self.is(Kind::string) && find_test(call.self.text()) != nullptr);
}

// str(value).islower() and .isupper()
template <bool (*wanted)(char32_t), bool (*other)(char32_t)>
Result<Value> is_case(const Call& call) {
  QUERN_ASSIGN(const Value value, to_text(call.runtime, call.self));
  const std::string_view text = value.text();
  QUERN_TRY(call.runtime.spend(cost::convert(text.size())));
  bool any = false;
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    const char32_t c = char_at(text, at);
    if (other(c) || is_title(c)) {
      return yes(false);
    }
    any = any || wanted(c);
  }
  return yes(any);
}

Result<Value> is_same_as(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "sameas", .names = {"other"}, .n_required = 1}));
  const Value& a = call.self;
  const Value& b = p[0];
  if (a.kind() != b.kind()) {
    return yes(false);
  }
  // Small values have no identity of their own here, so equality stands in for it.
  const bool shared = a.heap() != nullptr && !a.is(Kind::string);
  QUERN_TRY(call.runtime.spend(shared ? 0 : cost::weigh(std::min(a.weight(), b.weight()))));
  return yes(shared ? a.heap() == b.heap() : equals(a, b));
}

Result<Value> is_escaped(const Call& call) {
  return yes(call.self.is_markup());
}

template <Operator op>
Result<Value> compares(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "test", .names = {"other"}, .n_required = 1}));
  QUERN_ASSIGN(const bool holds, compare(call.runtime, op, {call.self, p[0]}));
  return yes(holds);
}

constexpr std::array<Builtin, 39> kTests = {{
    {"odd", is_parity<1>},
    {"even", is_parity<0>},
    {"divisibleby", is_divisible_by},
    {"defined", is_defined},
    {"undefined", is_kind<Kind::undefined>},
    {"filter", is_filter},
    {"test", is_test},
    {"none", is_kind<Kind::none>},
    {"boolean", is_kind<Kind::boolean>},
    {"false", is_exactly<false>},
    {"true", is_exactly<true>},
    {"integer", is_kind<Kind::integer, Kind::big_integer>},
    {"float", is_kind<Kind::real>},
    {"lower", is_case<is_lower, is_upper>},
    {"upper", is_case<is_upper, is_lower>},
    {"string", is_kind<Kind::string>},
    {"mapping", is_kind<Kind::dict>},
    {"number", is_number},
    {"sequence", is_sequence},
    {"iterable", is_iterable},
    {"callable", is_callable},
    {"sameas", is_same_as},
    {"escaped", is_escaped},
    {"in", compares<Operator::in>},
    {"==", compares<Operator::equal>},
    {"eq", compares<Operator::equal>},
    {"equalto", compares<Operator::equal>},
    {"!=", compares<Operator::not_equal>},
    {"ne", compares<Operator::not_equal>},
    {">", compares<Operator::greater>},
    {"gt", compares<Operator::greater>},
    {"greaterthan", compares<Operator::greater>},
    {"ge", compares<Operator::greater_equal>},
    {">=", compares<Operator::greater_equal>},
    {"<", compares<Operator::less>},
    {"lt", compares<Operator::less>},
    {"lessthan", compares<Operator::less>},
    {"<=", compares<Operator::less_equal>},
    {"le", compares<Operator::less_equal>},
}};

}  // namespace
}  // namespace test_functions

std::span<const Builtin> tests() {
  return test_functions::kTests;
}

}  // namespace quern::jinja
