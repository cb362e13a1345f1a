// The shape of everything that a template can call and that is written in C++: filters, tests,
// methods and functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/jinja/value.h"

namespace quern::jinja {

class Runtime;

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Call {
  Runtime& runtime;
  const Value& self;  // what a filter or test is applied to, or the object of a method
  const Args& args;
};

using NativeFn = Result<Value> (*)(const Call& call);

// A function, or a method bound to its object.
struct FunctionObject : Object {
  std::string_view name;
  NativeFn function = nullptr;
  Value self;
};

}  // namespace quern::jinja
