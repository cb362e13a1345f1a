// Runtime: what one render has used of its limits, and the makers of values that count against
// them. One thread only. It must outlive all values made with it.
#pragma once

#include <algorithm>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/jinja/cost.h"
#include "text/jinja/error.h"
#include "text/jinja/limits.h"
#include "text/jinja/value.h"

namespace quern::jinja {

class Runtime {
 public:
  Runtime(const Limits& limits, const std::tm& now);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const Limits& limits() const { return limits_; }
  const std::tm& now() const { return now_; }

  // Pays for work; an error once the fuel is used up, or when the render holds too much memory.
  Status spend(uint64_t fuel) {
    const bool enough = fuel <= limits_.fuel - spent_;
    spent_ += enough ? fuel : 0;
    return enough && account_.live_bytes <= account_.limit_bytes ? Status() : exhausted(enough);
  }
  Status step() { return spend(cost::kNode); }
  // The same where no error can be told: the next spend() tells it.
  void spend_later(uint64_t fuel) { spent_ += std::min(fuel, limits_.fuel - spent_); }
  // An error if `bytes` more would not fit. Call it before building something large.
  Status reserve(uint64_t bytes) const;
  // reserve() for n items that a builtin sorts, groups or copies on its way.
  Status reserve_items(uint64_t n) const;
  // Makes the object count against the memory limit.
  Status charge(Object& object, size_t bytes);
  // The same for what is small, or grew: the next spend() notices when it is too much.
  void adopt(Object& object, size_t bytes);

  // An error for a container of more than Limits::value_depth levels.
  Status check_depth(uint32_t depth) const;

  Result<Value> string(std::string text, bool markup = false);
  // A copy of the text, whose room is checked first.
  Result<Value> text(std::string_view text, bool markup = false);
  Result<Value> list(std::vector<Value> items) { return sequence(Kind::list, std::move(items)); }
  Result<Value> tuple(std::vector<Value> items) { return sequence(Kind::tuple, std::move(items)); }
  Result<Value> dict(Dict entries);
  Result<Value> view(std::vector<Value> items, std::string_view type_name);
  Result<Value> iterator(std::vector<Value> items, std::string_view type_name = "generator");
  Result<Value> range(int64_t start, int64_t stop, int64_t step);
  Value undefined(std::string hint);
  Value undefined_name(std::string_view name);
  // What obj.name or obj[name] gives when there is no such thing.
  Value undefined_member(const Value& object, Value name);

  // The value of a key, or null; hashing and probing are paid for. The key must be hashable.
  Result<const Value*> find(const Dict& dict, const Value& key);
  // hashable(), paid for; an error when it is not.
  Status check_hashable(const Value& key);
  // Adds to a dict that is being built. The key must be hashable.
  Status set(Dict& dict, Value key, Value value);

  // All items of something that can be iterated; an iterator is used up.
  Result<std::vector<Value>> collect(const Value& iterable);
  // Keeps a mutable object alive until the end of the render, when its references are dropped.
  Status keep(std::shared_ptr<Object> object);

 private:
  friend class MemoryHold;
  Status exhausted(bool enough_fuel) const;
  Result<Value> sequence(Kind kind, std::vector<Value> items);
  Result<std::vector<Value>> collect_chars(const Value& text);

  Limits limits_;
  std::tm now_;
  uint64_t spent_ = 0;
  MemoryAccount account_;
  std::vector<std::shared_ptr<Object>> kept_;
};

// Memory that something other than a value holds, for as long as the holder lives.
class MemoryHold {
 public:
  explicit MemoryHold(Runtime& runtime) : runtime_(runtime) {}
  ~MemoryHold() { release(); }
  MemoryHold(const MemoryHold&) = delete;
  MemoryHold& operator=(const MemoryHold&) = delete;

  Runtime& runtime() const { return runtime_; }
  Status add(size_t bytes) { return set(bytes_ + bytes); }
  // Holds `bytes` from now on, instead of what it held.
  Status set(size_t bytes);
  void release();

 private:
  Runtime& runtime_;
  size_t bytes_ = 0;
};

// Name of the value's type, as Python has it: "str", "NoneType" ...
std::string_view type_name(const Value& value);
// The error of using an undefined value, with how it came to be.
std::unexpected<Error> raise_undefined(const Value& value);
bool iterable(const Value& value);
// Number of items of what has a length; an error for the rest.
Result<int64_t> length(const Value& value);
int64_t range_at(const RangeObject& range, int64_t index);

}  // namespace quern::jinja
