#include "report.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "output.h"

namespace quern::app {
namespace {

std::string with_unit(uint64_t n, const std::array<std::string_view, 5>& units) {
  auto value = static_cast<double>(n);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{}{}", n, units[0]) : fmt::format("{:.3g}{}", value, units[unit]);
}

}  // namespace

int report(const Error& error) {
  print_err("quern: {}\n", error.to_string());
  return exit_code(error.kind);
}

std::string human_bytes(uint64_t n_bytes) {
  return with_unit(n_bytes, {" B", " kB", " MB", " GB", " TB"});
}

std::string human_count(uint64_t n) {
  return with_unit(n, {"", "K", "M", "B", "T"});
}

}  // namespace quern::app
