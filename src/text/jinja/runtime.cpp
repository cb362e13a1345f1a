#include "text/jinja/runtime.h"

#include <algorithm>
#include <utility>

#include "text/jinja/builtins.h"
#include "text/jinja/print.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

namespace {

// Bytes of an object and its shared_ptr block, roughly.
constexpr size_t kObjectBytes = 96;
// An entry of a Dict with its hash and slots.
constexpr size_t kEntryBytes = sizeof(Dict::Entry) + 24;
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

Status Runtime::too_many_steps() {
  return raise("the template takes too many steps", "a template that ends sooner");
}

Status Runtime::reserve(uint64_t bytes) const {
  if (bytes > account_.limit_bytes - std::min(account_.limit_bytes, account_.live_bytes)) {
    return raise("the template uses too much memory",
                 "at most " + std::to_string(limits_.memory_bytes) + " bytes");
  }
  return {};
}

Status Runtime::charge(Object& object, size_t bytes) {
  bytes += kObjectBytes;
  QUERN_TRY(reserve(bytes));
  QUERN_TRY(step(bytes / 64));
  object.account = &account_;
  object.charged_bytes = bytes;
  account_.live_bytes += bytes;
  return {};
}

Status Runtime::check_depth(uint32_t depth) const {
  if (depth > limits_.value_depth) {
    return raise("a value is nested too deeply",
                 "at most " + std::to_string(limits_.value_depth) + " levels");
  }
  return {};
}

Result<Value> Runtime::string(std::string text, bool markup) {
  Value value = Value::string(std::move(text));
  auto& object = value.as<StringObject>();
  object.markup = markup;
  QUERN_TRY(charge(object, object.text.capacity()));
  return value;
}

Result<Value> Runtime::sequence(Kind kind, std::vector<Value> items) {
  const size_t bytes = items.capacity() * sizeof(Value);
  Value value = kind == Kind::list ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  QUERN_TRY(check_depth(value.depth()));
  QUERN_TRY(charge(value.as<Object>(), bytes));
  return value;
}

Result<Value> Runtime::dict(Dict entries) {
  const size_t bytes = entries.size() * kEntryBytes;
  Value value = Value::dict(std::move(entries));
  QUERN_TRY(check_depth(value.depth()));
  QUERN_TRY(charge(value.as<Object>(), bytes));
  return value;
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
  auto object = list_object<ViewObject>(std::move(items));
  object->type_name = type_name;
  QUERN_TRY(check_depth(object->depth));
  QUERN_TRY(charge(*object, object->items.capacity() * sizeof(Value)));
  return Value::object(Kind::view, std::move(object));
}

Result<Value> Runtime::iterator(std::vector<Value> items, std::string_view type_name) {
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

Value Runtime::undefined(std::string hint) const {
  auto object = std::make_shared<UndefinedObject>();
  object->hint = std::move(hint);
  return Value::object(Kind::undefined, std::move(object));
}

Value Runtime::undefined_name(std::string_view name) const {
  auto object = std::make_shared<UndefinedObject>();
  object->name = Value::string(std::string(name));
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

Value Runtime::undefined_member(const Value& object, Value name) const {
  auto undefined = std::make_shared<UndefinedObject>();
  if (name.is(Kind::string) && is_mutating_method(object.kind(), name.text())) {
    undefined->hint = "access to attribute '" + std::string(name.text()) + "' of '" +
                      std::string(type_name(object)) + "' object is unsafe.";
  }
  undefined->owner = owner_name(object);
  undefined->depth = name.depth() + 1;
  undefined->name = std::move(name);
  return Value::object(Kind::undefined, std::move(undefined));
}

Result<std::vector<Value>> Runtime::collect(const Value& iterable) {
  std::vector<Value> items;
  switch (iterable.kind()) {
    case Kind::undefined:
      return items;
    case Kind::list:
    case Kind::tuple:
    case Kind::view:
      items = iterable.items();
      break;
    case Kind::dict:
      for (const Dict::Entry& entry : iterable.entries()) {
        items.push_back(entry.key);
      }
      break;
    case Kind::string:
      QUERN_TRY(reserve(iterable.n_chars() * (kObjectBytes + sizeof(Value))));
      for (const std::string_view c : split_chars(iterable.text())) {
        QUERN_ASSIGN(Value item, string(std::string(c), iterable.is_markup()));
        items.push_back(std::move(item));
      }
      break;
    case Kind::range: {
      const auto& range = iterable.as<RangeObject>();
      for (int64_t i = 0; i < range.n_items; ++i) {
        items.push_back(Value::integer(range_at(range, i)));
      }
      break;
    }
    case Kind::iterator: {
      auto& iterator = iterable.as<IteratorObject>();
      items.assign(iterator.items.begin() + static_cast<std::ptrdiff_t>(iterator.next),
                   iterator.items.end());
      iterator.next = iterator.items.size();
      break;
    }
    default:
      return raise("'" + std::string(type_name(iterable)) + "' object is not iterable");
  }
  QUERN_TRY(step(items.size() / 4));
  return items;
}

Status Runtime::keep(std::shared_ptr<Object> object) {
  QUERN_TRY(reserve(kept_.size() * sizeof(object)));
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
    return raise("'" + object->owner + "' has no attribute " + repr_string(object->name.text()));
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
