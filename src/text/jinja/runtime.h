// Runtime: what one render has used of its limits, and the makers of values that count against
// them. One thread only. It must outlive all values made with it.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
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

  // Counts work; an error once it is too much.
  Status step(uint64_t n = 1) {
    steps_ += n;
    return steps_ <= limits_.steps && n <= limits_.steps ? Status() : too_many_steps();
  }
  // An error if `bytes` more would not fit. Call it before building something large.
  Status reserve(uint64_t bytes) const;
  // Makes the object count against the memory limit.
  Status charge(Object& object, size_t bytes);

  // An error for a container of more than Limits::value_depth levels.
  Status check_depth(uint32_t depth) const;

  Result<Value> string(std::string text, bool markup = false);
  Result<Value> list(std::vector<Value> items) { return sequence(Kind::list, std::move(items)); }
  Result<Value> tuple(std::vector<Value> items) { return sequence(Kind::tuple, std::move(items)); }
  Result<Value> dict(Dict entries);
  Result<Value> view(std::vector<Value> items, std::string_view type_name);
  Result<Value> iterator(std::vector<Value> items, std::string_view type_name = "generator");
  Result<Value> range(int64_t start, int64_t stop, int64_t step);
  Value undefined(std::string hint) const;
  Value undefined_name(std::string_view name) const;
  // What obj.name or obj[name] gives when there is no such thing.
  Value undefined_member(const Value& object, Value name) const;

  // All items of something that can be iterated; an iterator is used up.
  Result<std::vector<Value>> collect(const Value& iterable);
  // Keeps a mutable object alive until the end of the render, when its references are dropped.
  Status keep(std::shared_ptr<Object> object);

 private:
  static Status too_many_steps();
  Result<Value> sequence(Kind kind, std::vector<Value> items);

  Limits limits_;
  std::tm now_;
  uint64_t steps_ = 0;
  MemoryAccount account_;
  std::vector<std::shared_ptr<Object>> kept_;
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
