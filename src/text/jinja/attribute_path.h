// "address.city" or "0.name" as filters take it: items looked up one after the other.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "text/jinja/runtime.h"

namespace quern::jinja {

class AttributePath {
 public:
  // A null or none attribute is the empty path. `otherwise`, which may be null, stands in for what
  // is undefined.
  static Result<AttributePath> parse(Runtime& runtime, const Value* attribute,
                                     const Value* otherwise);

  Result<Value> get(Runtime& runtime, const Value& item) const;

 private:
  std::vector<Value> parts_;
  std::optional<Value> otherwise_;
};

}  // namespace quern::jinja
