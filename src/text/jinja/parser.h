// Template text to Ast.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "text/jinja/ast.h"
#include "text/jinja/limits.h"

namespace quern::jinja {

// Errors name the line. Unknown filters and tests are errors here, except inside if statements and
// inline ifs, where they fail only when they are reached (as Jinja does it).
Result<std::unique_ptr<const Ast>> parse_template(std::string_view source, const Limits& limits);

}  // namespace quern::jinja
