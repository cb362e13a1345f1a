// Value: what a template computes with, after Python's types: 64-bit int, float, str, list, dict
// ... A Value is a small handle; strings and containers are shared and immutable, so a Value that
// was made outside a render may be read by many threads. Namespaces, iterators and loops are
// mutable and belong to the one render that made them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quern::jinja {

enum class Kind : uint8_t {
  undefined,
  none,
  boolean,
  integer,
  big_integer,  // beyond 64 bits, from outside: kept as its digits, which is all that it is good
                // for
  real,
  string,
  list,
  tuple,
  dict,
  range,
  view,      // dict.keys(), .values(), .items()
  iterator,  // what map, select, reverse ... return: to be walked once
  name_space,
  function,  // native function, or method bound to its object
  macro,
  loop,
  cycler,
  joiner,
};

// Bytes that one render holds; shared by all objects it makes.
struct MemoryAccount {
  size_t live_bytes = 0;
  size_t limit_bytes = 0;
};

// Heap part of a Value. `depth` is the height of the tree of containers below, kept small by
// Limits::value_depth, so that walking and destroying a value never overflows the stack.
struct Object {
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() {
    if (account != nullptr) {
      account->live_bytes -= charged_bytes;
    }
  }
  // Drops references to other objects; the render calls it at its end to break cycles.
  virtual void clear() {}

  MemoryAccount* account = nullptr;
  size_t charged_bytes = 0;
  uint32_t depth = 1;
  // Nodes of the tree below, a shared node counted each time, plus one for every 64 bytes of text:
  // the cost of comparing or hashing it.
  uint64_t weight = 1;
};

class Dict;
struct ListObject;

class Value {
 public:
  Value() = default;  // undefined without a name
  static Value none() { return Value(Kind::none); }
  static Value boolean(bool b);
  static Value integer(int64_t i);
  static Value real(double d);
  static Value big_integer(std::string digits);
  static Value string(std::string text);
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  static Value dict(Dict entries);
  static Value object(Kind kind, std::shared_ptr<Object> object);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_number() const {
    return kind_ == Kind::integer || kind_ == Kind::real || kind_ == Kind::boolean;
  }
  bool is_integral() const { return kind_ == Kind::integer || kind_ == Kind::boolean; }
  bool is_sequence() const { return kind_ == Kind::list || kind_ == Kind::tuple; }

  // Each of these needs the matching kind.
  bool as_bool() const { return scalar_.boolean; }
  int64_t as_integer() const;     // integer or boolean
  double as_real() const;         // any number
  std::string_view text() const;  // of a string, or the digits of a big integer
  size_t n_chars() const;
  bool is_markup() const;                   // a string that `safe` or `escape` made
  const std::vector<Value>& items() const;  // list, tuple, view
  const Dict& entries() const;

  uint32_t depth() const { return object_ ? object_->depth : 0; }
  uint64_t weight() const { return object_ ? object_->weight : 1; }
  const Object* heap() const { return object_.get(); }
  template <typename T>
  T& as() const {
    return static_cast<T&>(*object_);
  }
  const std::shared_ptr<Object>& shared() const { return object_; }

 private:
  explicit Value(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::undefined;
  union Scalar {
    int64_t integer = 0;
    double real;
    bool boolean;
  } scalar_;
  std::shared_ptr<Object> object_;
};

// Sum that stays at the largest number instead of wrapping.
uint64_t saturating_add(uint64_t a, uint64_t b);

// Python's ==, and whether a value counts as true.
bool equals(const Value& a, const Value& b);
bool truthy(const Value& value);
// Hash consistent with equals(), for keys (strings, numbers, none, tuples of those).
size_t hash_value(const Value& value);
bool hashable(const Value& value);

// Insertion-ordered map with Python's key equality (1, 1.0 and true are one key).
class Dict {
 public:
  struct Entry {
    Value key;
    Value value;
  };

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(Value key, Value value);
  void set(std::string_view key, Value value);
  size_t size() const { return entries_.size(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  void clear();
  // Height of the highest value, and the weight of all.
  uint32_t depth() const { return depth_; }
  uint64_t weight() const { return weight_; }
  // The most entries that had to be looked at to place one: the cost of find() and set(), which
  // keys made to collide can drive up.
  size_t longest_probe() const { return longest_probe_; }
  size_t heap_bytes() const;

 private:
  static constexpr size_t kIndexFrom = 8;  // below, a linear search is faster
  template <typename Same>
  size_t locate(size_t hash, Same same) const;
  void append(Value key, Value value, size_t hash);
  void rebuild();

  std::vector<Entry> entries_;
  std::vector<size_t> hashes_;   // of entries_
  std::vector<uint32_t> slots_;  // open addressing; 0 is empty, else index + 1
  uint32_t depth_ = 0;
  uint64_t weight_ = 0;
  size_t longest_probe_ = 0;
};

struct StringObject : Object {
  std::string text;
  size_t n_chars = 0;
  bool markup = false;
};

struct ListObject : Object {
  std::vector<Value> items;
};

struct DictObject : Object {
  Dict entries;
};

struct NamespaceObject : Object {
  Dict attributes;
  void clear() override { attributes.clear(); }
};

struct RangeObject : Object {
  int64_t start = 0;
  int64_t stop = 0;
  int64_t step = 1;
  int64_t n_items = 0;
};

struct ViewObject : ListObject {
  std::string_view type_name;  // "dict_items" ...
};

struct IteratorObject : ListObject {
  std::string_view type_name;  // "generator" ...
  size_t next = 0;
};

// How a value came to be undefined, for the message when it is used.
struct UndefinedObject : Object {
  std::string hint;   // the whole message, when not empty
  std::string owner;  // type of the object that lacks `name`; empty for a variable
  Value name;
};

struct CyclerObject : ListObject {
  size_t next = 0;
};

struct JoinerObject : Object {
  Value separator;
  bool used = false;
};

}  // namespace quern::jinja
