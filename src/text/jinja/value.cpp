#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include "text/jinja/unicode.h"

namespace quern::jinja {

uint64_t saturating_add(uint64_t a, uint64_t b) {
  return a > std::numeric_limits<uint64_t>::max() - b ? std::numeric_limits<uint64_t>::max()
                                                      : a + b;
}

Value Value::boolean(bool b) {
  Value value(Kind::boolean);
  value.scalar_.boolean = b;
  return value;
}

Value Value::integer(int64_t i) {
  Value value(Kind::integer);
  value.scalar_.integer = i;
  return value;
}

Value Value::real(double d) {
  Value value(Kind::real);
  value.scalar_.real = d;
  return value;
}

Value Value::object(Kind kind, std::shared_ptr<Object> object) {
  Value value(kind);
  value.object_ = std::move(object);
  return value;
}

Value Value::big_integer(std::string digits) {
  Value value = string(std::move(digits));
  value.kind_ = Kind::big_integer;
  return value;
}

Value Value::string(std::string text) {
  auto object = std::make_shared<StringObject>();
  object->n_chars = count_chars(text);
  object->weight = 1 + text.size() / 64;
  object->text = std::move(text);
  return Value::object(Kind::string, std::move(object));
}

namespace {

template <typename List>
void set_items(List& object, std::vector<Value> items) {
  for (const Value& item : items) {
    object.depth = std::max(object.depth, item.depth() + 1);
    object.weight = saturating_add(object.weight, item.weight());
  }
  object.items = std::move(items);
}

Value make_list(Kind kind, std::vector<Value> items) {
  auto object = std::make_shared<ListObject>();
  set_items(*object, std::move(items));
  return Value::object(kind, std::move(object));
}

}  // namespace

Value Value::list(std::vector<Value> items) {
  return make_list(Kind::list, std::move(items));
}

Value Value::tuple(std::vector<Value> items) {
  return make_list(Kind::tuple, std::move(items));
}

Value Value::dict(Dict entries) {
  auto object = std::make_shared<DictObject>();
  object->depth = entries.depth() + 1;
  object->weight = saturating_add(entries.weight(), 1);
  object->entries = std::move(entries);
  return Value::object(Kind::dict, std::move(object));
}

int64_t Value::as_integer() const {
  if (kind_ == Kind::boolean) {
    return scalar_.boolean ? 1 : 0;
  }
  return scalar_.integer;
}

double Value::as_real() const {
  return kind_ == Kind::real ? scalar_.real : static_cast<double>(as_integer());
}

std::string_view Value::text() const {
  return as<StringObject>().text;
}

size_t Value::n_chars() const {
  return as<StringObject>().n_chars;
}

bool Value::is_markup() const {
  return kind_ == Kind::string && as<StringObject>().markup;
}

const std::vector<Value>& Value::items() const {
  return as<ListObject>().items;
}

const Dict& Value::entries() const {
  return as<DictObject>().entries;
}

namespace {

bool equal_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) {
    return a.as_integer() == b.as_integer();
  }
  return a.as_real() == b.as_real();
}

bool equal_items(const std::vector<Value>& a, const std::vector<Value>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), equals);
}

bool equal_dicts(const Dict& a, const Dict& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const Dict::Entry& entry) {
           const Value* other = b.find(entry.key);
           return other != nullptr && equals(entry.value, *other);
         });
}

bool equal_ranges(const RangeObject& a, const RangeObject& b) {
  if (a.n_items != b.n_items) {
    return false;
  }
  return a.n_items == 0 || (a.start == b.start && (a.n_items == 1 || a.step == b.step));
}

bool equal_objects(const Value& a, const Value& b) {
  switch (a.kind()) {
    case Kind::string:
    case Kind::big_integer:
      return a.text() == b.text();
    case Kind::list:
    case Kind::tuple:
      return equal_items(a.items(), b.items());
    case Kind::dict:
      return equal_dicts(a.entries(), b.entries());
    case Kind::range:
      return equal_ranges(a.as<RangeObject>(), b.as<RangeObject>());
    default:
      return false;  // the rest are equal to themselves only
  }
}

}  // namespace

bool equals(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    return equal_numbers(a, b);
  }
  if (a.kind() != b.kind()) {
    return false;
  }
  if (a.is(Kind::none) || a.is(Kind::undefined)) {
    return true;
  }
  return a.heap() == b.heap() || equal_objects(a, b);
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
      return value.as_bool();
    case Kind::integer:
      return value.as_integer() != 0;
    case Kind::real:
      return value.as_real() != 0;
    case Kind::string:
      return !value.text().empty();
    case Kind::list:
    case Kind::tuple:
    case Kind::view:
      return !value.items().empty();
    case Kind::dict:
      return value.entries().size() > 0;
    case Kind::range:
      return value.as<RangeObject>().n_items > 0;
    default:
      return true;
  }
}

bool hashable(const Value& value) {
  switch (value.kind()) {
    case Kind::list:
    case Kind::dict:
    case Kind::view:
      return false;
    case Kind::tuple:
      return std::all_of(value.items().begin(), value.items().end(), hashable);
    default:
      return true;
  }
}

namespace {

// splitmix64's finalizer (Steele, Lea, Flood 2014) over both.
size_t mix(size_t hash, size_t more) {
  uint64_t x = static_cast<uint64_t>(hash) * 0x9E3779B97F4A7C15U + more;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
  x = (x ^ x >> 27) * 0x94D049BB133111EBU;
  return static_cast<size_t>(x ^ x >> 31);
}

}  // namespace

size_t hash_value(const Value& value) {
  switch (value.kind()) {
    case Kind::string:
    case Kind::big_integer:
      return std::hash<std::string_view>{}(value.text());
    case Kind::boolean:
    case Kind::integer:
    case Kind::real:
      return std::hash<double>{}(value.as_real());
    case Kind::tuple: {
      size_t hash = value.items().size();
      for (const Value& item : value.items()) {
        hash = mix(hash, hash_value(item));
      }
      return hash;
    }
    case Kind::range: {
      // Equal ranges may differ in their stops, and short ones in their steps.
      const auto& range = value.as<RangeObject>();
      const auto n_items = static_cast<size_t>(range.n_items);
      return n_items == 0 ? 0 : mix(n_items, static_cast<size_t>(range.start));
    }
    case Kind::none:
    case Kind::undefined:
      return 0;
    default:
      return std::hash<const void*>{}(value.heap());
  }
}

template <typename Same>
size_t Dict::locate(size_t hash, Same same) const {
  if (slots_.empty()) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (hashes_[i] == hash && same(entries_[i].key)) {
        return i;
      }
    }
    return entries_.size();
  }
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const size_t i = slots_[at] - 1;
    if (hashes_[i] == hash && same(entries_[i].key)) {
      return i;
    }
  }
  return entries_.size();
}

const Value* Dict::find(const Value& key) const {
  const size_t i = locate(hash_value(key), [&](const Value& k) { return equals(k, key); });
  return i < entries_.size() ? &entries_[i].value : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  const size_t i = locate(std::hash<std::string_view>{}(key),
                          [&](const Value& k) { return k.is(Kind::string) && k.text() == key; });
  return i < entries_.size() ? &entries_[i].value : nullptr;
}

void Dict::set(Value key, Value value) {
  depth_ = std::max({depth_, key.depth(), value.depth()});
  weight_ = saturating_add(weight_, saturating_add(key.weight(), value.weight()));
  const size_t hash = hash_value(key);
  const size_t i = locate(hash, [&](const Value& k) { return equals(k, key); });
  if (i < entries_.size()) {
    entries_[i].value = std::move(value);
    return;
  }
  append(std::move(key), std::move(value), hash);
}

void Dict::set(std::string_view key, Value value) {
  set(Value::string(std::string(key)), std::move(value));
}

void Dict::append(Value key, Value value, size_t hash) {
  entries_.push_back({std::move(key), std::move(value)});
  hashes_.push_back(hash);
  if (entries_.size() > kIndexFrom) {
    rebuild();
  } else {
    longest_probe_ = entries_.size();
  }
}

size_t Dict::heap_bytes() const {
  return entries_.capacity() * sizeof(Entry) + hashes_.capacity() * sizeof(size_t) +
         slots_.capacity() * sizeof(uint32_t);
}

void Dict::rebuild() {
  size_t first = entries_.size() - 1;
  if (slots_.size() < 2 * entries_.size()) {
    size_t n_slots = 32;
    while (n_slots < 4 * entries_.size()) {
      n_slots *= 2;
    }
    slots_.assign(n_slots, 0);
    longest_probe_ = 0;
    first = 0;
  }
  const size_t mask = slots_.size() - 1;
  for (size_t i = first; i < entries_.size(); ++i) {
    size_t at = hashes_[i] & mask;
    size_t n_probes = 1;
    while (slots_[at] != 0) {
      at = (at + 1) & mask;
      ++n_probes;
    }
    longest_probe_ = std::max(longest_probe_, n_probes);
    slots_[at] = static_cast<uint32_t>(i + 1);
  }
}

void Dict::clear() {
  entries_.clear();
  hashes_.clear();
  slots_.clear();
  longest_probe_ = 0;
}

}  // namespace quern::jinja
