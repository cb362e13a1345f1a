#include "text/jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/loop.h"
#include "text/jinja/native.h"
#include "text/jinja/print.h"
#include "text/jinja/text_ops.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

namespace {

std::string quoted_type(const Value& value) {
  return "'" + std::string(type_name(value)) + "'";
}

std::string_view symbol(Operator op) {
  switch (op) {
    case Operator::add:
    case Operator::plus:
      return "+";
    case Operator::subtract:
    case Operator::negate:
      return "-";
    case Operator::multiply:
      return "*";
    case Operator::divide:
      return "/";
    case Operator::floor_divide:
      return "//";
    case Operator::modulo:
      return "%";
    case Operator::power:
      return "** or pow()";
    case Operator::less:
      return "<";
    case Operator::less_equal:
      return "<=";
    case Operator::greater:
      return ">";
    case Operator::greater_equal:
      return ">=";
    default:
      return "?";
  }
}

std::unexpected<Error> unsupported(Operator op, Operands v) {
  return raise("unsupported operand type(s) for " + std::string(symbol(op)) + ": " +
               quoted_type(v.left) + " and " + quoted_type(v.right));
}

std::unexpected<Error> overflow() {
  return raise("an integer is beyond 64 bits", "results between -2^63 and 2^63-1");
}

Result<Value> integer_or_overflow(bool overflowed, int64_t value) {
  if (overflowed) {
    return overflow();
  }
  return Value::integer(value);
}

int64_t floor_modulo(int64_t a, int64_t b) {
  const int64_t rest = b == -1 ? 0 : a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Result<Value> floor_divide(int64_t a, int64_t b) {
  if (b == 0) {
    return raise("integer division or modulo by zero");
  }
  if (b == -1) {
    return integer_or_overflow(a == INT64_MIN, a == INT64_MIN ? 0 : -a);
  }
  const int64_t quotient = a / b;
  return Value::integer(a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient);
}

Result<Value> real_result(double value) {
  return Value::real(value);
}

Result<Value> integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) {
      return raise("0.0 cannot be raised to a negative power");
    }
    return real_result(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  if (base == 0 || base == 1 || base == -1) {  // never overflow, whatever the exponent
    return Value::integer(exponent == 0 ? 1 : base == -1 && exponent % 2 == 0 ? 1 : base);
  }
  for (int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) {
      return overflow();
    }
  }
  return Value::integer(result);
}

Result<Value> integer_binary(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Operator::add: {
      const bool overflowed = __builtin_add_overflow(a, b, &result);
      return integer_or_overflow(overflowed, result);
    }
    case Operator::subtract: {
      const bool overflowed = __builtin_sub_overflow(a, b, &result);
      return integer_or_overflow(overflowed, result);
    }
    case Operator::multiply: {
      const bool overflowed = __builtin_mul_overflow(a, b, &result);
      return integer_or_overflow(overflowed, result);
    }
    case Operator::divide:
      if (b == 0) {
        return raise("division by zero");
      }
      return real_result(static_cast<double>(a) / static_cast<double>(b));
    case Operator::floor_divide:
      return floor_divide(a, b);
    case Operator::modulo:
      if (b == 0) {
        return raise("integer modulo by zero");
      }
      return Value::integer(floor_modulo(a, b));
    default:
      return integer_power(a, b);
  }
}

double floor_modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) {
    return std::copysign(0.0, b);
  }
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

Result<Value> real_power(double a, double b) {
  if (a == 0 && b < 0) {
    return raise("0.0 cannot be raised to a negative power");
  }
  if (a < 0 && std::isfinite(a) && b != std::floor(b)) {
    return raise("a negative number raised to a fraction is complex", "a whole exponent");
  }
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
    return raise("Numerical result out of range");
  }
  return real_result(result);
}

Result<Value> real_binary(Operator op, double a, double b) {
  const bool divides =
      op == Operator::divide || op == Operator::floor_divide || op == Operator::modulo;
  if (divides && b == 0) {
    return raise(op == Operator::divide   ? "float division by zero"
                 : op == Operator::modulo ? "float modulo"
                                          : "float floor division by zero");
  }
  switch (op) {
    case Operator::add:
      return real_result(a + b);
    case Operator::subtract:
      return real_result(a - b);
    case Operator::multiply:
      return real_result(a * b);
    case Operator::divide:
      return real_result(a / b);
    case Operator::floor_divide: {
      const double rest = floor_modulo(a, b);
      const double quotient = (a - rest) / b;
      if (quotient == 0) {
        return real_result(std::copysign(0.0, a / b));
      }
      const double floored = std::floor(quotient);
      return real_result(quotient - floored > 0.5 ? floored + 1 : floored);
    }
    case Operator::modulo:
      return real_result(floor_modulo(a, b));
    default:
      return real_power(a, b);
  }
}

Result<Value> add_strings(Runtime& runtime, Operands v) {
  // In a markup text, what is not markup is escaped.
  const bool markup = v.left.is_markup() || v.right.is_markup();
  TextBuilder sum(runtime);
  for (const Value* part : {&v.left, &v.right}) {
    const bool escapes = markup && !part->is_markup();
    QUERN_TRY(escapes ? append_html(sum, part->text()) : sum.append(part->text()));
  }
  return sum.value(markup);
}

Result<Value> add(Runtime& runtime, Operands v) {
  const Kind kind = v.left.kind();
  const bool same = kind == v.right.kind();
  if (kind == Kind::string && same) {
    return add_strings(runtime, v);
  }
  if ((kind == Kind::list || kind == Kind::tuple) && same) {
    const size_t n_items = v.left.items().size() + v.right.items().size();
    QUERN_TRY(runtime.reserve_items(n_items));
    QUERN_TRY(runtime.spend(n_items * cost::kItem));
    std::vector<Value> items;
    items.reserve(n_items);
    items.insert(items.end(), v.left.items().begin(), v.left.items().end());
    items.insert(items.end(), v.right.items().begin(), v.right.items().end());
    return kind == Kind::list ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
  }
  if (kind == Kind::string || kind == Kind::list || kind == Kind::tuple) {
    const std::string left(type_name(v.left));
    return raise("can only concatenate " + left + " (not \"" + std::string(type_name(v.right)) +
                 "\") to " + left);
  }
  return unsupported(Operator::add, v);
}

Result<Value> repeat_items(Runtime& runtime, const Value& sequence, uint64_t n) {
  const auto& unit = sequence.items();
  uint64_t n_items = 0;
  if (__builtin_mul_overflow(unit.size(), n, &n_items)) {
    n_items = UINT64_MAX;
  }
  QUERN_TRY(runtime.reserve_items(n_items));
  QUERN_TRY(runtime.spend(n_items * cost::kItem));
  std::vector<Value> items;
  items.reserve(n_items);
  while (items.size() < n_items) {
    items.insert(items.end(), unit.begin(), unit.end());
  }
  return sequence.is(Kind::list) ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
}

Result<Value> repeat(Runtime& runtime, const Value& sequence, int64_t times) {
  const uint64_t n = times < 0 ? 0 : static_cast<uint64_t>(times);
  if (!sequence.is(Kind::string)) {
    return repeat_items(runtime, sequence, n);
  }
  TextBuilder out(runtime);
  QUERN_TRY(out.fill(sequence.text(), n));
  return out.value(sequence.is_markup());
}

bool repeatable(const Value& value) {
  return value.is(Kind::string) || value.is_sequence();
}

// What no operator takes.
Status check_operand(const Value& operand) {
  if (operand.is(Kind::undefined)) {
    return raise_undefined(operand);
  }
  if (operand.is(Kind::big_integer)) {
    return overflow();
  }
  return {};
}

}  // namespace

Result<Value> binary(Runtime& runtime, Operator op, Operands v) {
  if (v.left.is_integral() && v.right.is_integral()) {
    return integer_binary(op, v.left.as_integer(), v.right.as_integer());
  }
  if (v.left.is_number() && v.right.is_number()) {
    return real_binary(op, v.left.as_real(), v.right.as_real());
  }
  if (op == Operator::modulo && v.left.is(Kind::string)) {
    return format_percent(runtime, v.left, v.right);
  }
  QUERN_TRY(check_operand(v.left));
  QUERN_TRY(check_operand(v.right));
  if (op == Operator::add) {
    return add(runtime, v);
  }
  if (op == Operator::multiply && repeatable(v.left) && v.right.is_integral()) {
    return repeat(runtime, v.left, v.right.as_integer());
  }
  if (op == Operator::multiply && repeatable(v.right) && v.left.is_integral()) {
    return repeat(runtime, v.right, v.left.as_integer());
  }
  return unsupported(op, v);
}

Result<Value> unary(Operator op, const Value& operand) {
  if (op == Operator::logical_not) {
    return Value::boolean(!truthy(operand));
  }
  if (operand.is(Kind::undefined)) {
    return raise_undefined(operand);
  }
  if (operand.is(Kind::real)) {
    return Value::real(op == Operator::negate ? -operand.as_real() : operand.as_real());
  }
  if (operand.is(Kind::big_integer)) {
    return overflow();
  }
  if (!operand.is_integral()) {
    return raise("bad operand type for unary " + std::string(symbol(op)) + ": " +
                 quoted_type(operand));
  }
  const int64_t value = operand.as_integer();
  if (op == Operator::plus) {
    return Value::integer(value);
  }
  return integer_or_overflow(value == INT64_MIN, value == INT64_MIN ? 0 : -value);
}

namespace {

Result<int> order(Runtime& runtime, Operator op, Operands v);

// -1, 0, 1; 2 when a NaN makes them incomparable.
int order_of(double a, double b) {
  return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;
}

template <typename T>
int sign_of_order(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

// The first items that differ, or the longer sequence, decide.
Result<int> order_of_items(Runtime& runtime, Operator op, Operands v) {
  QUERN_TRY(runtime.spend(cost::weigh(std::min(v.left.weight(), v.right.weight()))));
  const auto& a = v.left.items();
  const auto& b = v.right.items();
  const auto [left, right] =
      std::mismatch(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Value& x, const Value& y) { return equals(x, y); });
  if (left == a.end() || right == b.end()) {
    return sign_of_order(a.size(), b.size());
  }
  return order(runtime, op, {*left, *right});
}

Result<int> order(Runtime& runtime, Operator op, Operands v) {
  if (v.left.is_integral() && v.right.is_integral()) {
    return sign_of_order(v.left.as_integer(), v.right.as_integer());
  }
  if (v.left.is_number() && v.right.is_number()) {
    return order_of(v.left.as_real(), v.right.as_real());
  }
  if (v.left.is(Kind::string) && v.right.is(Kind::string)) {
    return sign_of_order(v.left.text(), v.right.text());
  }
  if (v.left.is_sequence() && v.left.kind() == v.right.kind()) {
    return order_of_items(runtime, op, v);
  }
  if (v.left.is(Kind::big_integer) || v.right.is(Kind::big_integer)) {
    return overflow();
  }
  return raise("'" + std::string(symbol(op)) + "' not supported between instances of " +
               quoted_type(v.left) + " and " + quoted_type(v.right));
}

Result<bool> ordered(Runtime& runtime, Operator op, Operands v) {
  for (const Value* value : {&v.left, &v.right}) {
    if (value->is(Kind::undefined)) {
      return raise_undefined(*value);
    }
  }
  QUERN_ASSIGN(const int result, order(runtime, op, v));
  switch (op) {
    case Operator::less:
      return result == -1;
    case Operator::less_equal:
      return result == -1 || result == 0;
    case Operator::greater:
      return result == 1;
    default:
      return result == 1 || result == 0;
  }
}

}  // namespace

Result<bool> compare(Runtime& runtime, Operator op, Operands v) {
  QUERN_TRY(runtime.spend(cost::weigh(std::min(v.left.weight(), v.right.weight()))));
  switch (op) {
    case Operator::equal:
      return equals(v.left, v.right);
    case Operator::not_equal:
      return !equals(v.left, v.right);
    case Operator::in:
      return contains(runtime, v);
    case Operator::not_in: {
      QUERN_ASSIGN(const bool found, contains(runtime, v));
      return !found;
    }
    default:
      return ordered(runtime, op, v);
  }
}

bool ordered_before(Runtime& runtime, Operands operands, Status& status) {
  if (!status) {
    return false;
  }
  auto result = compare(runtime, Operator::less, operands);
  if (!result) {
    status = std::unexpected(std::move(result).error());
    return false;
  }
  return *result;
}

namespace {

Result<bool> any_equal(Runtime& runtime, const Value& wanted, const std::vector<Value>& items) {
  for (const Value& item : items) {
    QUERN_TRY(runtime.spend(cost::weigh(std::min(item.weight(), wanted.weight()))));
    if (equals(item, wanted)) {
      return true;
    }
  }
  return false;
}

Result<bool> contains_text(Runtime& runtime, std::string_view text, std::string_view wanted) {
  QUERN_ASSIGN(const size_t at, find_text(runtime, text, wanted));
  return at != std::string_view::npos;
}

Result<bool> contains_key(Runtime& runtime, const Dict& dict, const Value& key) {
  QUERN_TRY(runtime.check_hashable(key));
  QUERN_ASSIGN(const Value* value, runtime.find(dict, key));
  return value != nullptr;
}

}  // namespace

Result<bool> contains(Runtime& runtime, Operands v) {
  const Value& wanted = v.left;
  const Value& container = v.right;
  switch (container.kind()) {
    case Kind::string:
      if (!wanted.is(Kind::string)) {
        return raise("'in <string>' requires string as left operand, not " +
                     std::string(type_name(wanted)));
      }
      return contains_text(runtime, container.text(), wanted.text());
    case Kind::dict:
      return contains_key(runtime, container.entries(), wanted);
    case Kind::list:
    case Kind::tuple:
    case Kind::view:
      return any_equal(runtime, wanted, container.items());
    default:
      break;
  }
  if (!iterable(container)) {
    return raise("argument of type " + quoted_type(container) + " is not iterable");
  }
  QUERN_ASSIGN(const std::vector<Value> items, runtime.collect(container));
  return any_equal(runtime, wanted, items);
}

namespace {

Result<Value> bound_method(Runtime& runtime, const Value& object, const Builtin& method) {
  auto bound = std::make_shared<FunctionObject>();
  bound->name = method.name;
  bound->function = method.function;
  bound->self = object;
  bound->depth = object.depth() + 1;
  if (bound->depth > runtime.limits().value_depth) {
    return raise("a value is nested too deeply");
  }
  runtime.adopt(*bound, 0);
  return Value::object(Kind::function, std::move(bound));
}

// The attribute itself; nothing when the object has none of that name.
Result<std::optional<Value>> own_attribute(Runtime& runtime, const Value& object,
                                           std::string_view name) {
  if (object.is(Kind::name_space)) {
    QUERN_TRY(runtime.spend(cost::kItem + name.size()));
    const Value* value = object.as<NamespaceObject>().attributes.find(name);
    return value != nullptr ? std::optional(*value) : std::nullopt;
  }
  if (object.is(Kind::cycler) && name == "current") {
    const auto& cycler = object.as<CyclerObject>();
    return std::optional(cycler.items[cycler.next]);
  }
  if (object.is(Kind::macro) && name == "name") {
    return std::optional(Value::string(object.as<MacroObject>().macro->name));
  }
  if (object.is_number() && name == "real") {
    return std::optional(object.is(Kind::real) ? object : Value::integer(object.as_integer()));
  }
  if (const Builtin* method = find_method(object.kind(), name)) {
    QUERN_ASSIGN(Value bound, bound_method(runtime, object, *method));
    return std::optional(std::move(bound));
  }
  if (is_mutating_method(object.kind(), name)) {
    return std::optional(runtime.undefined_member(object, Value::string(std::string(name))));
  }
  return std::optional<Value>();
}

Result<std::optional<int64_t>> normalized_index(const Value& object, const Value& key) {
  if (!key.is_integral()) {
    return std::optional<int64_t>();
  }
  QUERN_ASSIGN(const int64_t n, length(object));
  const int64_t index = key.as_integer() < 0 ? key.as_integer() + n : key.as_integer();
  return index >= 0 && index < n ? std::optional(index) : std::nullopt;
}

Result<Value> char_of(Runtime& runtime, const Value& text, size_t index) {
  QUERN_ASSIGN(const size_t at, char_position(runtime, text, index));
  return runtime.string(std::string(text.text().substr(at, char_bytes(text.text(), at))),
                        text.is_markup());
}

// object[key] proper; nothing when there is no such item.
Result<std::optional<Value>> own_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is(Kind::dict)) {
    QUERN_TRY(runtime.spend(cost::weigh(key.weight())));
    if (!hashable(key)) {
      return std::optional<Value>();
    }
    QUERN_ASSIGN(const Value* value, runtime.find(object.entries(), key));
    return value != nullptr ? std::optional(*value) : std::nullopt;
  }
  const bool indexed = object.is_sequence() || object.is(Kind::string) || object.is(Kind::range);
  if (!indexed) {
    return std::optional<Value>();
  }
  QUERN_ASSIGN(const std::optional<int64_t> index, normalized_index(object, key));
  if (!index) {
    return std::optional<Value>();
  }
  if (object.is(Kind::string)) {
    QUERN_ASSIGN(Value item, char_of(runtime, object, static_cast<size_t>(*index)));
    return std::optional(std::move(item));
  }
  if (object.is(Kind::range)) {
    return std::optional(Value::integer(range_at(object.as<RangeObject>(), *index)));
  }
  return std::optional(object.items()[static_cast<size_t>(*index)]);
}

}  // namespace

Result<Value> get_attribute(Runtime& runtime, const Value& object, const Value& name) {
  if (object.is(Kind::undefined)) {
    return raise_undefined(object);
  }
  QUERN_ASSIGN(std::optional<Value> value, own_attribute(runtime, object, name.text()));
  if (!value) {
    QUERN_ASSIGN(value, own_item(runtime, object, name));
  }
  return value ? std::move(*value) : runtime.undefined_member(object, name);
}

Result<Value> get_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is(Kind::undefined)) {
    return raise_undefined(object);
  }
  QUERN_ASSIGN(std::optional<Value> value, own_item(runtime, object, key));
  if (!value && key.is(Kind::string)) {
    QUERN_ASSIGN(value, own_attribute(runtime, object, key.text()));
  }
  return value ? std::move(*value) : runtime.undefined_member(object, key);
}

namespace {

struct SliceRange {
  int64_t start = 0;
  int64_t step = 1;
  int64_t n_items = 0;
};

// As Python's slice.indices().
SliceRange resolve(const SliceBounds& bounds, int64_t n) {
  SliceRange range;
  range.step = std::max<int64_t>(bounds.step.value_or(1), -INT64_MAX);
  const int64_t low = range.step > 0 ? 0 : -1;
  const int64_t high = range.step > 0 ? n : n - 1;
  const auto clamp = [&](int64_t index) {
    return std::clamp(index < 0 ? index + n : index, low, high);
  };
  range.start = bounds.start ? clamp(*bounds.start) : (range.step > 0 ? low : high);
  const int64_t stop = bounds.stop ? clamp(*bounds.stop) : (range.step > 0 ? high : low);
  const int64_t distance = range.step > 0 ? stop - range.start : range.start - stop;
  const int64_t stride = range.step > 0 ? range.step : -range.step;
  range.n_items = distance > 0 ? (distance - 1) / stride + 1 : 0;
  return range;
}

// Every step-th character, from the start or the end on.
Result<Value> pick_chars(Runtime& runtime, const Value& object, const SliceRange& range) {
  const std::string_view text = object.text();
  const bool ascii = object.n_chars() == text.size();
  MemoryHold hold(runtime);
  std::vector<uint32_t> starts;  // of the characters
  if (!ascii) {
    QUERN_TRY(runtime.spend(cost::walk(text.size())));
    QUERN_TRY(hold.set(object.n_chars() * sizeof(uint32_t)));
    starts.reserve(object.n_chars());
    for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
      starts.push_back(static_cast<uint32_t>(at));
    }
  }
  const auto n_items = static_cast<uint64_t>(range.n_items);
  QUERN_TRY(runtime.spend(n_items * cost::kItem));
  TextBuilder out(runtime);
  for (int64_t i = 0; i < range.n_items; ++i) {
    const auto index = static_cast<size_t>(range.start + i * range.step);
    const size_t at = ascii ? index : starts[index];
    QUERN_TRY(out.append(text.substr(at, char_bytes(text, at))));
  }
  return out.value(object.is_markup());
}

Result<Value> slice_string(Runtime& runtime, const Value& object, const SliceRange& range) {
  if (range.step != 1) {
    return pick_chars(runtime, object, range);
  }
  const auto start = static_cast<size_t>(range.start);
  QUERN_ASSIGN(const size_t from, char_position(runtime, object, start));
  QUERN_ASSIGN(const size_t to,
               char_position(runtime, object, start + static_cast<size_t>(range.n_items)));
  return runtime.text(object.text().substr(from, to - from), object.is_markup());
}

Result<Value> slice_range(Runtime& runtime, const RangeObject& object, const SliceRange& slice) {
  const int64_t start = object.start + slice.start * object.step;
  const int64_t step = object.step * slice.step;
  return runtime.range(start, start + slice.n_items * step, step);
}

}  // namespace

Result<Value> slice(Runtime& runtime, const Value& object, SliceBounds bounds) {
  if (object.is(Kind::undefined)) {
    return raise_undefined(object);
  }
  const bool can = object.is_sequence() || object.is(Kind::string) || object.is(Kind::range);
  if (!can) {
    return raise(object.is(Kind::dict) ? "unhashable type: 'slice'"
                                       : quoted_type(object) + " object is not subscriptable");
  }
  if (bounds.step == 0) {
    return raise("slice step cannot be zero");
  }
  QUERN_ASSIGN(const int64_t n, length(object));
  const SliceRange range = resolve(bounds, n);
  if (object.is(Kind::string)) {
    return slice_string(runtime, object, range);
  }
  if (object.is(Kind::range)) {
    return slice_range(runtime, object.as<RangeObject>(), range);
  }
  QUERN_TRY(runtime.reserve_items(static_cast<uint64_t>(range.n_items)));
  QUERN_TRY(runtime.spend(static_cast<uint64_t>(range.n_items) * cost::kItem));
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(range.n_items));
  for (int64_t i = 0; i < range.n_items; ++i) {
    items.push_back(object.items()[static_cast<size_t>(range.start + i * range.step)]);
  }
  return object.is(Kind::list) ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
}

}  // namespace quern::jinja
