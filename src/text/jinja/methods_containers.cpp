// Methods of list, tuple, range, dict and numbers that change nothing.
#include <array>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/params.h"
#include "text/jinja/tables.h"

namespace quern::jinja {

// A name of its own, because several files define a `join` or a `count`.
namespace methods_containers {
namespace {

Result<Value> count(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "count", .names = {"value"}, .n_required = 1}));
  QUERN_ASSIGN(const std::vector<Value> items, call.runtime.collect(call.self));
  int64_t n = 0;
  for (const Value& item : items) {
    QUERN_TRY(call.runtime.spend(cost::weigh(std::min(item.weight(), p[0].weight()))));
    n += equals(item, p[0]) ? 1 : 0;
  }
  return Value::integer(n);
}

Result<Value> index(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "index",
                                                   .names = {"value", "start", "stop"},
                                                   .n_required = 1}));
  QUERN_ASSIGN(const std::vector<Value> items, call.runtime.collect(call.self));
  const auto n = static_cast<int64_t>(items.size());
  QUERN_ASSIGN(int64_t start, p.integer(1, 0));
  QUERN_ASSIGN(int64_t stop, p.integer(2, n));
  start = start < 0 ? std::max<int64_t>(0, start + n) : start;
  stop = std::min(stop < 0 ? stop + n : stop, n);
  for (int64_t i = start; i < stop; ++i) {
    const Value& item = items[static_cast<size_t>(i)];
    QUERN_TRY(call.runtime.spend(cost::weigh(std::min(item.weight(), p[0].weight()))));
    if (equals(item, p[0])) {
      return Value::integer(i);
    }
  }
  return raise("the value is not in the " + std::string(type_name(call.self)));
}

Result<Value> copy(const Call& call) {
  return call.self;  // immutable, so itself
}

Result<Value> dict_get(const Call& call) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "get", .names = {"key", "default"}, .n_required = 1}));
  QUERN_TRY(call.runtime.check_hashable(p[0]));
  QUERN_ASSIGN(const Value* value, call.runtime.find(call.self.entries(), p[0]));
  if (value != nullptr) {
    return *value;
  }
  return p.given(1) ? p[1] : Value::none();
}

Result<Value> dict_keys(const Call& call) {
  QUERN_TRY(call.runtime.reserve_items(call.self.entries().size()));
  std::vector<Value> keys;
  keys.reserve(call.self.entries().size());
  for (const Dict::Entry& entry : call.self.entries()) {
    keys.push_back(entry.key);
  }
  return call.runtime.view(std::move(keys), "dict_keys");
}

Result<Value> dict_values(const Call& call) {
  QUERN_TRY(call.runtime.reserve_items(call.self.entries().size()));
  std::vector<Value> values;
  values.reserve(call.self.entries().size());
  for (const Dict::Entry& entry : call.self.entries()) {
    values.push_back(entry.value);
  }
  return call.runtime.view(std::move(values), "dict_values");
}

Result<Value> dict_items(const Call& call) {
  QUERN_TRY(call.runtime.reserve_items(call.self.entries().size()));
  std::vector<Value> items;
  items.reserve(call.self.entries().size());
  for (const Dict::Entry& entry : call.self.entries()) {
    QUERN_ASSIGN(Value pair, call.runtime.tuple({entry.key, entry.value}));
    items.push_back(std::move(pair));
  }
  return call.runtime.view(std::move(items), "dict_items");
}

Result<Value> is_integer(const Call& call) {
  const double value = call.self.as_real();
  return Value::boolean(std::isfinite(value) && value == std::floor(value));
}

Result<Value> bit_length(const Call& call) {
  const int64_t value = call.self.as_integer();
  auto rest = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  int64_t n = 0;
  for (; rest > 0; rest >>= 1) {
    ++n;
  }
  return Value::integer(n);
}

constexpr std::array<Builtin, 3> kListMethods = {
    {{"count", count}, {"index", index}, {"copy", copy}}};
constexpr std::array<Builtin, 5> kDictMethods = {{{"get", dict_get},
                                                  {"items", dict_items},
                                                  {"keys", dict_keys},
                                                  {"values", dict_values},
                                                  {"copy", copy}}};
constexpr std::array<Builtin, 1> kRealMethods = {{{"is_integer", is_integer}}};
constexpr std::array<Builtin, 1> kIntegerMethods = {{{"bit_length", bit_length}}};

}  // namespace
}  // namespace methods_containers

std::span<const Builtin> list_methods(Kind kind) {
  const std::span<const Builtin> all = methods_containers::kListMethods;
  return kind == Kind::list ? all : all.first(2);  // copy is list's alone
}

std::span<const Builtin> dict_methods() {
  return methods_containers::kDictMethods;
}

std::span<const Builtin> number_methods(Kind kind) {
  if (kind == Kind::real) {
    return methods_containers::kRealMethods;
  }
  return methods_containers::kIntegerMethods;
}

}  // namespace quern::jinja
