// Filters on single values.
#include <array>
#include <cmath>

#include "text/jinja/format.h"
#include "text/jinja/literals.h"
#include "text/jinja/operators.h"
#include "text/jinja/params.h"
#include "text/jinja/print.h"
#include "text/jinja/tables.h"

namespace quern::jinja {

// A name of its own, because several files define a `join` or a `count`.
namespace filters_value {
namespace {

Result<Value> default_value(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "default", .names = {"default_value", "boolean"}}));
  const bool missing = call.self.is(Kind::undefined) || (p.flag(1) && !truthy(call.self));
  if (!missing) {
    return call.self;
  }
  return p.given(0) ? p[0] : Value::string("");
}

Result<Value> absolute(const Call& call) {
  if (call.self.is(Kind::real)) {
    return Value::real(std::fabs(call.self.as_real()));
  }
  if (call.self.is(Kind::undefined)) {
    return raise_undefined(call.self);
  }
  if (!call.self.is_integral()) {
    return raise("bad operand type for abs(): '" + std::string(type_name(call.self)) + "'");
  }
  return call.self.as_integer() < 0 ? unary(Operator::negate, call.self)
                                    : Result<Value>(Value::integer(call.self.as_integer()));
}

// The whole part, unless the number is beyond 64 bits or not finite.
Result<std::optional<int64_t>> whole_part(double value) {
  if (!std::isfinite(value)) {
    return std::optional<int64_t>();
  }
  if (std::fabs(value) >= 9.2e18) {
    return raise("an integer is beyond 64 bits");
  }
  return std::optional(static_cast<int64_t>(value));
}

Result<Value> integer(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "int", .names = {"default", "base"}}));
  QUERN_ASSIGN(const int64_t base, p.integer(1, 10));
  std::optional<int64_t> value;
  if (call.self.is(Kind::undefined)) {
    return raise_undefined(call.self);
  }
  if (call.self.is(Kind::big_integer)) {
    return call.self;
  }
  if (call.self.is(Kind::string)) {
    QUERN_TRY(call.runtime.spend(cost::convert(call.self.text().size())));
    QUERN_TRY(call.runtime.reserve(2 * call.self.text().size()));
    const int in_range = base < 0 || base > 36 ? 99 : static_cast<int>(base);
    QUERN_ASSIGN(value, parse_integer(call.self.text(), in_range));
    if (!value) {
      if (const std::optional<double> real = parse_real(call.self.text())) {
        QUERN_ASSIGN(value, whole_part(*real));
      }
    }
  } else if (call.self.is_integral()) {
    value = call.self.as_integer();
  } else if (call.self.is(Kind::real)) {
    QUERN_ASSIGN(value, whole_part(call.self.as_real()));
  }
  if (value) {
    return Value::integer(*value);
  }
  return p.given(0) ? p[0] : Value::integer(0);
}

Result<Value> real(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "float", .names = {"default"}}));
  if (call.self.is(Kind::undefined)) {
    return raise_undefined(call.self);
  }
  if (call.self.is_number()) {
    return Value::real(call.self.as_real());
  }
  if (call.self.is(Kind::string)) {
    QUERN_TRY(call.runtime.spend(cost::convert(call.self.text().size())));
    QUERN_TRY(call.runtime.reserve(2 * call.self.text().size()));
    if (const std::optional<double> value = parse_real(call.self.text())) {
      return Value::real(*value);
    }
  }
  return p.given(0) ? p[0] : Value::real(0.0);
}

// round(int, n) for n < 0, to even.
int64_t round_integer(int64_t value, int64_t n_digits) {
  if (n_digits < -18) {
    return 0;
  }
  int64_t scale = 1;
  for (int64_t i = 0; i < -n_digits; ++i) {
    scale *= 10;
  }
  const int64_t rest = ((value % scale) + scale) % scale;
  const int64_t low = value - rest;
  const bool up = rest > scale / 2 || (rest == scale / 2 && (low / scale) % 2 != 0);
  return up && scale > 1 ? low + scale : low;
}

Result<Value> round(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "round", .names = {"precision", "method"}}));
  QUERN_ASSIGN(const int64_t n_digits, p.integer(0, 0));
  QUERN_ASSIGN(const std::string_view method, p.text(1, "common"));
  if (method != "common" && method != "ceil" && method != "floor") {
    return raise("method must be common, ceil or floor");
  }
  if (call.self.is(Kind::undefined)) {
    return raise_undefined(call.self);
  }
  if (!call.self.is_number()) {
    return raise("type " + std::string(type_name(call.self)) + " doesn't define __round__ method");
  }
  if (method != "common") {
    const double scale = std::pow(10.0, static_cast<double>(n_digits));
    const double scaled = call.self.as_real() * scale;
    return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (call.self.is_integral()) {
    const int64_t value = call.self.as_integer();
    return Value::integer(n_digits >= 0 ? value : round_integer(value, n_digits));
  }
  QUERN_TRY(
      call.runtime.spend(cost::digits(static_cast<uint64_t>(std::max<int64_t>(0, n_digits)))));
  return Value::real(round_real(call.self.as_real(), n_digits));
}

// foo|attr("bar"): the attribute, never the key.
Result<Value> attribute(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "attr", .names = {"name"}, .n_required = 1}));
  QUERN_TRY(p.text(0));
  if (call.self.is(Kind::dict) && find_method(Kind::dict, p[0].text()) == nullptr) {
    return call.runtime.undefined_member(call.self, p[0]);
  }
  return get_attribute(call.runtime, call.self, p[0]);
}

// A pair of separators, or json.dumps' own for the indent.
Status json_separators(const Call& call, const Params& p, JsonOptions& options) {
  if (!p.some(2)) {
    options.item_separator = options.indent ? "," : ", ";
    return {};
  }
  QUERN_ASSIGN(const std::vector<Value> parts, call.runtime.collect(p[2]));
  if (parts.size() != 2 || !parts[0].is(Kind::string) || !parts[1].is(Kind::string)) {
    return raise("separators must be two strings");
  }
  options.item_separator = std::string(parts[0].text());
  options.key_separator = std::string(parts[1].text());
  return {};
}

// With the parameters of Hugging Face's own tojson, which differ from Jinja's.
Result<Value> to_json_filter(const Call& call) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "tojson",
                          .names = {"ensure_ascii", "indent", "separators", "sort_keys"}}));
  MemoryHold hold(call.runtime);
  JsonOptions options;
  options.ensure_ascii = p.flag(0);
  options.sort_keys = p.flag(3);
  if (p.some(1) && p[1].is(Kind::string)) {
    QUERN_TRY(hold.set(p[1].text().size()));
    options.indent = std::string(p[1].text());
  } else if (p.some(1)) {
    QUERN_ASSIGN(const int64_t width, p.integer(1));
    QUERN_TRY(hold.set(static_cast<size_t>(std::max<int64_t>(width, 0))));
    options.indent = std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  QUERN_TRY(json_separators(call, p, options));
  return to_json(call.runtime, call.self, options);
}

constexpr std::array<Builtin, 8> kFilters = {{
    {"tojson", to_json_filter},
    {"default", default_value},
    {"d", default_value},
    {"int", integer},
    {"float", real},
    {"abs", absolute},
    {"round", round},
    {"attr", attribute},
}};

}  // namespace
}  // namespace filters_value

std::span<const Builtin> value_filters() {
  return filters_value::kFilters;
}

}  // namespace quern::jinja
