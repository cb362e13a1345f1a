// The tables of builtins, each in the file of its subject.
#pragma once

#include <span>

#include "text/jinja/builtins.h"

namespace quern::jinja {

std::span<const Builtin> text_filters();           // filters_text.cpp
std::span<const Builtin> list_filters();           // filters_list.cpp
std::span<const Builtin> value_filters();          // filters_value.cpp
std::span<const Builtin> tests();                  // tests.cpp
std::span<const Builtin> functions();              // functions.cpp
std::span<const Builtin> text_methods();           // methods_text.cpp
std::span<const Builtin> text_predicates();        // methods_predicates.cpp
std::span<const Builtin> list_methods(Kind kind);  // methods_containers.cpp
std::span<const Builtin> dict_methods();
std::span<const Builtin> cycler_methods();
std::span<const Builtin> number_methods(Kind kind);

}  // namespace quern::jinja
