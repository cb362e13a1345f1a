// Look-up in the tables of builtins.
#include "text/jinja/builtins.h"

#include <algorithm>
#include <array>
#include <span>

#include "text/jinja/error.h"
#include "text/jinja/print.h"
#include "text/jinja/tables.h"

namespace quern::jinja {

namespace {

const Builtin* find_in(std::span<const Builtin> table, std::string_view name) {
  const auto it = std::find_if(table.begin(), table.end(),
                               [&](const Builtin& builtin) { return builtin.name == name; });
  return it == table.end() ? nullptr : &*it;
}

NativeFn function_of(const Builtin* builtin) {
  return builtin == nullptr ? nullptr : builtin->function;
}

}  // namespace

NativeFn find_filter(std::string_view name) {
  for (const auto table : {text_filters(), list_filters(), value_filters()}) {
    if (const Builtin* filter = find_in(table, name)) {
      return filter->function;
    }
  }
  return nullptr;
}

std::unexpected<Error> raise_unknown(const Unknown& unknown) {
  static constexpr std::array<std::string_view, 4> kLeftOut = {"pprint", "random", "urlize",
                                                               "wordwrap"};
  const std::string name = short_repr(unknown.name);
  const bool left_out = std::find(kLeftOut.begin(), kLeftOut.end(), unknown.name) != kLeftOut.end();
  if (unknown.filter && left_out) {
    return raise("the filter " + name + " is not supported", "a template without it");
  }
  return raise(std::string("No ") + (unknown.filter ? "filter" : "test") + " named " + name +
               std::string(unknown.end));
}

NativeFn find_test(std::string_view name) {
  return function_of(find_in(tests(), name));
}

const Builtin* find_function(std::string_view name) {
  return find_in(functions(), name);
}

const Builtin* find_method(Kind kind, std::string_view name) {
  switch (kind) {
    case Kind::string:
      if (const Builtin* method = find_in(text_methods(), name)) {
        return method;
      }
      return find_in(text_predicates(), name);
    case Kind::list:
    case Kind::tuple:
    case Kind::range:
      return find_in(list_methods(kind), name);
    case Kind::dict:
      return find_in(dict_methods(), name);
    case Kind::cycler:
      return find_in(cycler_methods(), name);
    case Kind::integer:
    case Kind::boolean:
    case Kind::real:
      return find_in(number_methods(kind), name);
    default:
      return nullptr;
  }
}

bool is_mutating_method(Kind kind, std::string_view name) {
  static constexpr std::array<std::string_view, 8> kList = {"append", "clear", "pop",    "reverse",
                                                            "insert", "sort",  "extend", "remove"};
  static constexpr std::array<std::string_view, 5> kDict = {"clear", "pop", "popitem", "setdefault",
                                                            "update"};
  if (kind == Kind::list) {
    return std::find(kList.begin(), kList.end(), name) != kList.end();
  }
  return kind == Kind::dict && std::find(kDict.begin(), kDict.end(), name) != kDict.end();
}

}  // namespace quern::jinja
