// Tables of the filters, tests, methods and global functions.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/native.h"

namespace quern::jinja {

struct Builtin {
  std::string_view name;
  NativeFn function;
};

// Null when there is none of that name.
NativeFn find_filter(std::string_view name);
NativeFn find_test(std::string_view name);
// The error of a filter or test that is in no table, or that Jinja has and this engine leaves out.
struct Unknown {
  bool filter = true;  // else a test
  std::string_view name;
  std::string_view end;  // of the message
};
std::unexpected<Error> raise_unknown(const Unknown& unknown);
// range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
const Builtin* find_function(std::string_view name);
// A method of `kind` that a template may call.
const Builtin* find_method(Kind kind, std::string_view name);
// Whether `name` is a method that would change an object of `kind` (append, update ...). It hides a
// key of that name and is undefined, as in Jinja's immutable sandbox.
bool is_mutating_method(Kind kind, std::string_view name);

}  // namespace quern::jinja
