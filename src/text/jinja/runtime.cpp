#include "text/jinja/runtime.h"

#include <algorithm>
#include <utility>

#include "text/jinja/builtins.h"
#include "text/jinja/print.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

namespace {

// Bytes of an object with its shared_ptr block and the heap's own.
constexpr size_t kObjectBytes = 144;
// Copies of its items that a builtin makes at most until it charges its result: all, each with a
// key, those in two halves of a sort, and the result.
constexpr uint64_t kItemCopies = 6;
// As in Jinja's sandbox.
constexpr uint64_t kMaxRange = 100'000;

}  // namespace

Runtime::Runtime(const Limits& limits, const std::tm& now) : limits_(limits), now_(now) {
  account_.limit_bytes = limits.memory_bytes;
}

Runtime::~Runtime() {
  for (const auto& object : kept_) {
    object->clear();
  }
}

Status Runtime::exhausted(bool enough_fuel) const {
  if (!enough_fuel) {
    return raise("the template takes too many steps", "a template that ends sooner");
  }
  return raise("the template uses too much memory",
               "at most " + std::to_string(limits_.memory_bytes) + " bytes");
}

Status Runtime::reserve(uint64_t bytes) const {
  if (bytes > account_.limit_bytes - std::min(account_.limit_bytes, account_.live_bytes)) {
    return exhausted(true);
  }
  return {};
}

Status Runtime::reserve_items(uint64_t n) const {
  constexpr uint64_t kMost = UINT64_MAX / (kItemCopies * sizeof(Value));
  return reserve(std::min(n, kMost) * kItemCopies * sizeof(Value));
}

Status Runtime::charge(Object& object, size_t bytes) {
  QUERN_TRY(reserve(bytes + kObjectBytes));
  adopt(object, bytes);
  return {};
}

void Runtime::adopt(Object& object, size_t bytes) {
  account_.live_bytes -= object.charged_bytes;
  object.account = &account_;
  object.charged_bytes = bytes + kObjectBytes;
  account_.live_bytes += object.charged_bytes;
}

Status MemoryHold::set(size_t bytes) {
  release();
  QUERN_TRY(runtime_.reserve(bytes));
  bytes_ = bytes;
  runtime_.account_.live_bytes += bytes;
  return {};
}

void MemoryHold::release() {
  runtime_.account_.live_bytes -= bytes_;
  bytes_ = 0;
}

Status Runtime::check_depth(uint32_t depth) const {
  if (depth > limits_.value_depth) {
    return raise("a value is nested too deeply",
                 "at most " + std::to_string(limits_.value_depth) + " levels");
  }
  return {};
}

Result<Value> Runtime::string(std::string text, bool markup) {
  QUERN_TRY(spend(cost::kItem + text.size()));
  QUERN_TRY(reserve(text.capacity() + kObjectBytes));
  Value value = Value::string(std::move(text));
  auto& object = value.as<StringObject>();
  object.markup = markup;
  adopt(object, object.text.capacity());
  return value;
}

Result<Value> Runtime::text(std::string_view text, bool markup) {
  QUERN_TRY(reserve(text.size() + kObjectBytes));
  QUERN_TRY(spend(cost::copy(text.size())));
  return string(std::string(text), markup);
}

Result<Value> Runtime::sequence(Kind kind, std::vector<Value> items) {
  QUERN_TRY(spend(cost::kItem + items.size() * cost::kItem));
  const size_t bytes = items.capacity() * sizeof(Value);
  Value value = kind == Kind::list ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  QUERN_TRY(check_depth(value.depth()));
  QUERN_TRY(charge(value.as<Object>(), bytes));
  return value;
}

Result<Value> Runtime::dict(Dict entries) {
  const size_t bytes = entries.heap_bytes();
  QUERN_TRY(spend(cost::kItem + entries.size() * cost::kItem));
  Value value = Value::dict(std::move(entries));
  QUERN_TRY(check_depth(value.depth()));
  QUERN_TRY(charge(value.as<Object>(), bytes));
  return value;
}

Status Runtime::check_hashable(const Value& key) {
  QUERN_TRY(spend(cost::weigh(key.weight())));
  if (!hashable(key)) {
    return raise("unhashable type: '" + std::string(type_name(key)) + "'");
  }
  return {};
}

Result<const Value*> Runtime::find(const Dict& dict, const Value& key) {
  QUERN_TRY(spend(cost::kItem + dict.longest_probe() * (cost::kItem / 4)));
  QUERN_TRY(spend(cost::weigh(key.weight())));
  return dict.find(key);
}

Status Runtime::set(Dict& dict, Value key, Value value) {
  QUERN_TRY(spend(4 * cost::kItem + dict.longest_probe() * (cost::kItem / 4)));
  QUERN_TRY(spend(cost::weigh(key.weight())));
  QUERN_TRY(reserve(3 * dict.heap_bytes()));  // it may double
  dict.set(std::move(key), std::move(value));
  return {};
}

namespace {

template <typename List>
std::shared_ptr<List> list_object(std::vector<Value> items) {
  auto object = std::make_shared<List>();
  for (const Value& item : items) {
    object->depth = std::max(object->depth, item.depth() + 1);
    object->weight = saturating_add(object->weight, item.weight());
  }
  object->items = std::move(items);
  return object;
}

}  // namespace

Result<Value> Runtime::view(std::vector<Value> items, std::string_view type_name) {
  QUERN_TRY(spend(cost::kItem + items.size() * cost::kItem));
  auto object = list_object<ViewObject>(std::move(items));
  object->type_name = type_name;
  QUERN_TRY(check_depth(object->depth));
  QUERN_TRY(charge(*object, object->items.capacity() * sizeof(Value)));
  return Value::object(Kind::view, std::move(object));
}

Result<Value> Runtime::iterator(std::vector<Value> items, std::string_view type_name) {
  QUERN_TRY(spend(cost::kItem + items.size() * cost::kItem));
  auto object = list_object<IteratorObject>(std::move(items));
  object->type_name = type_name;
  QUERN_TRY(check_depth(object->depth));
  QUERN_TRY(charge(*object, object->items.capacity() * sizeof(Value)));
  return Value::object(Kind::iterator, std::move(object));
}

Result<Value> Runtime::range(int64_t start, int64_t stop, int64_t step) {
  if (step == 0) {
    return raise("range() arg 3 must not be zero");
  }
  auto object = std::make_shared<RangeObject>();
  const bool empty = step > 0 ? start >= stop : start <= stop;
  if (!empty) {
    const auto bits = [](int64_t v) { return static_cast<uint64_t>(v); };
    const uint64_t distance = step > 0 ? bits(stop) - bits(start) : bits(start) - bits(stop);
    const uint64_t stride = step > 0 ? bits(step) : ~bits(step) + 1;
    const uint64_t n = (distance - 1) / stride + 1;
    if (n > kMaxRange) {
      return raise("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
    }
    object->n_items = static_cast<int64_t>(n);
  }
  object->start = start;
  object->stop = stop;
  object->step = step;
  QUERN_TRY(charge(*object, 0));
  return Value::object(Kind::range, std::move(object));
}

Value Runtime::undefined(std::string hint) {
  auto object = std::make_shared<UndefinedObject>();
  object->hint = std::move(hint);
  adopt(*object, sizeof(UndefinedObject) + object->hint.capacity());
  return Value::object(Kind::undefined, std::move(object));
}

Value Runtime::undefined_name(std::string_view name) {
  auto object = std::make_shared<UndefinedObject>();
  object->name = Value::string(std::string(name));
  adopt(*object, sizeof(UndefinedObject) + kObjectBytes + name.size());
  return Value::object(Kind::undefined, std::move(object));
}

namespace {

// Type of an object as messages about missing members call it.
std::string owner_name(const Value& value) {
  switch (value.kind()) {
    case Kind::none:
      return "None";
    case Kind::name_space:
      return "jinja2.utils.Namespace object";
    case Kind::cycler:
      return "jinja2.utils.Cycler object";
    case Kind::joiner:
      return "jinja2.utils.Joiner object";
    case Kind::loop:
      return "jinja2.runtime.LoopContext object";
    case Kind::macro:
      return "jinja2.runtime.Macro object";
    default:
      return std::string(type_name(value)) + " object";
  }
}

}  // namespace

Value Runtime::undefined_member(const Value& object, Value name) {
  auto undefined = std::make_shared<UndefinedObject>();
  if (name.is(Kind::string) && is_mutating_method(object.kind(), name.text())) {
    undefined->hint = "access to attribute '" + std::string(name.text()) + "' of '" +
                      std::string(type_name(object)) + "' object is unsafe.";
  }
  undefined->owner = owner_name(object);
  undefined->depth = name.depth() + 1;
  undefined->name = std::move(name);
  adopt(*undefined, sizeof(UndefinedObject) + undefined->hint.capacity());
  return Value::object(Kind::undefined, std::move(undefined));
}

namespace {

// Items that collect() will give.
size_t n_collected(const Value& iterable) {
  switch (iterable.kind()) {
    case Kind::list:
    case Kind::tuple:
    case Kind::view:
      return iterable.items().size();
    case Kind::dict:
      return iterable.entries().size();
    case Kind::string:
      return iterable.n_chars();
    case Kind::range:
      return static_cast<size_t>(iterable.as<RangeObject>().n_items);
    case Kind::iterator: {
      const auto& iterator = iterable.as<IteratorObject>();
      return iterator.items.size() - iterator.next;
    }
    default:
      return 0;
  }
}

}  // namespace

Result<std::vector<Value>> Runtime::collect_chars(const Value& text) {
  const std::string_view bytes = text.text();
  QUERN_TRY(reserve(text.n_chars() * (kObjectBytes + sizeof(Value))));
  QUERN_TRY(spend(cost::walk(bytes.size())));
  std::vector<Value> items;
  items.reserve(text.n_chars());
  for (size_t at = 0; at < bytes.size();) {
    const std::string_view c = bytes.substr(at, char_bytes(bytes, at));
    QUERN_ASSIGN(Value item, string(std::string(c), text.is_markup()));
    items.push_back(std::move(item));
    at += c.size();
  }
  return items;
}

Result<std::vector<Value>> Runtime::collect(const Value& iterable) {
  const size_t n_items = n_collected(iterable);
  QUERN_TRY(spend(cost::kItem + n_items * cost::kItem));
  QUERN_TRY(reserve_items(n_items));
  std::vector<Value> items;
  switch (iterable.kind()) {
    case Kind::undefined:
      return items;
    case Kind::list:
    case Kind::tuple:
    case Kind::view:
      return iterable.items();
    case Kind::dict:
      items.reserve(n_items);
      for (const Dict::Entry& entry : iterable.entries()) {
        items.push_back(entry.key);
      }
      return items;
    case Kind::string:
      return collect_chars(iterable);
    case Kind::range: {
      const auto& range = iterable.as<RangeObject>();
      items.reserve(n_items);
      for (int64_t i = 0; i < range.n_items; ++i) {
        items.push_back(Value::integer(range_at(range, i)));
      }
      return items;
    }
    case Kind::iterator: {
      auto& iterator = iterable.as<IteratorObject>();
      items.assign(iterator.items.begin() + static_cast<std::ptrdiff_t>(iterator.next),
                   iterator.items.end());
      iterator.next = iterator.items.size();
      return items;
    }
    default:
      return raise("'" + std::string(type_name(iterable)) + "' object is not iterable");
  }
}

Status Runtime::keep(std::shared_ptr<Object> object) {
  account_.live_bytes += 2 * sizeof(object);
  kept_.push_back(std::move(object));
  return {};
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
    case Kind::big_integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::string:
      return value.is_markup() ? "Markup" : "str";
    case Kind::list:
      return "list";
    case Kind::tuple:
      return "tuple";
    case Kind::dict:
      return "dict";
    case Kind::range:
      return "range";
    case Kind::view:
      return value.as<ViewObject>().type_name;
    case Kind::iterator:
      return value.as<IteratorObject>().type_name;
    case Kind::name_space:
      return "Namespace";
    case Kind::function:
      return "builtin_function_or_method";
    case Kind::macro:
      return "Macro";
    case Kind::loop:
      return "LoopContext";
    case Kind::cycler:
      return "Cycler";
    case Kind::joiner:
      return "Joiner";
  }
  return "object";
}

std::unexpected<Error> raise_undefined(const Value& value) {
  const auto* object = static_cast<const UndefinedObject*>(value.heap());
  if (object == nullptr) {
    return raise("a value is undefined");
  }
  if (!object->hint.empty()) {
    return raise(object->hint);
  }
  if (object->owner.empty()) {
    return raise("'" + std::string(object->name.text()) + "' is undefined");
  }
  if (object->name.is(Kind::string)) {
    return raise("'" + object->owner + "' has no attribute " + short_repr(object->name));
  }
  return raise(object->owner + " has no element " + short_repr(object->name));
}

bool iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::range:
    case Kind::view:
    case Kind::iterator:
    case Kind::loop:
      return true;
    default:
      return false;
  }
}

Result<int64_t> length(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return 0;
    case Kind::string:
      return static_cast<int64_t>(value.n_chars());
    case Kind::list:
    case Kind::tuple:
    case Kind::view:
      return static_cast<int64_t>(value.items().size());
    case Kind::dict:
      return static_cast<int64_t>(value.entries().size());
    case Kind::range:
      return value.as<RangeObject>().n_items;
    default:
      return raise("object of type '" + std::string(type_name(value)) + "' has no len()");
  }
}

int64_t range_at(const RangeObject& range, int64_t index) {
  return range.start + index * range.step;
}

}  // namespace quern::jinja
