// Python's operators, subscripts and attributes on Values.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"

namespace quern::jinja {

struct Operands {
  const Value& left;
  const Value& right;
};

Result<Value> binary(Runtime& runtime, Operator op, Operands operands);
Result<Value> unary(Operator op, const Value& operand);
Result<bool> compare(Runtime& runtime, Operator op, Operands operands);
// left < right for sorting; once `status` holds an error, always false.
bool ordered_before(Runtime& runtime, Operands operands, Status& status);
// right contains left
Result<bool> contains(Runtime& runtime, Operands operands);

// object.name: methods and attributes before keys. Undefined when there is none.
Result<Value> get_attribute(Runtime& runtime, const Value& object, const Value& name);
// object[key]: items and keys before attributes. Undefined when there is none.
Result<Value> get_item(Runtime& runtime, const Value& object, const Value& key);

struct SliceBounds {
  std::optional<int64_t> start, stop, step;
};
Result<Value> slice(Runtime& runtime, const Value& object, SliceBounds bounds);

}  // namespace quern::jinja
