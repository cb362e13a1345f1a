// strftime in the C locale, whatever the process's locale is.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

namespace quern::jinja {

// Knows the directives of ISO C and glibc's flags '-', '_', '0' and '^' (%-d). An unknown directive
// stays as it is written.
std::string format_time(std::string_view format, const std::tm& time);

}  // namespace quern::jinja
