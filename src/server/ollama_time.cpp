#include "server/ollama_time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "engine/model_manager.h"

namespace quern::server {
namespace {

constexpr double kMillisPerSecond = 1000.0;
constexpr double kMostMs = 9.0e15;  // whole in a double, and 285,000 years

struct Unit {
  std::string_view name;
  double ms;
};

// Longer names first, as "m" begins "ms". The micro sign and the Greek letter both count.
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1e-6},
                                         {"us", 1e-3},
                                         {"\u00B5s", 1e-3},
                                         {"\u03BCs", 1e-3},
                                         {"ms", 1.0},
                                         {"s", 1e3},
                                         {"m", 60e3},
                                         {"h", 3600e3}}};

int64_t whole_ms(double ms) {
  return static_cast<int64_t>(ms < kMostMs ? ms : kMostMs);
}

// The number at the start, taken off; digits with at most one point among them.
std::optional<double> take_number(std::string_view& text) {
  const size_t length = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  const std::string_view digits = text.substr(0, length);
  const char* const end = digits.end();
  const auto [stop, error] = std::from_chars(digits.begin(), end, number, std::chars_format::fixed);
  if (error != std::errc{} || stop != end) {
    return std::nullopt;
  }
  text.remove_prefix(length);
  return number;
}

std::optional<double> take_unit(std::string_view& text) {
  for (const Unit& unit : kUnits) {
    if (text.starts_with(unit.name)) {
      text.remove_prefix(unit.name.size());
      return unit.ms;
    }
  }
  return std::nullopt;
}

// Of "1h30m", without a sign.
std::optional<double> parse_ms(std::string_view text) {
  double ms = 0;
  bool is_first = true;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number) {
      return std::nullopt;
    }
    if (is_first && text.empty()) {
      return *number * kMillisPerSecond;
    }
    const auto unit = take_unit(text);
    if (!unit) {
      return std::nullopt;
    }
    ms += *number * *unit;
    is_first = false;
  }
  return is_first ? std::nullopt : std::optional(ms);
}

}  // namespace

WallTime wall_now() {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

std::string rfc3339(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

int64_t keep_alive_ms_of(double seconds) {
  return seconds < 0 ? kKeepForever : whole_ms(seconds * kMillisPerSecond);
}

std::optional<int64_t> parse_keep_alive_ms(std::string_view text) {
  if (text.size() > kMaxKeepAliveBytes) {
    return std::nullopt;
  }
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  const auto ms = parse_ms(text);
  if (!ms) {
    return std::nullopt;
  }
  return is_negative && *ms > 0 ? kKeepForever : whole_ms(*ms);
}

}  // namespace quern::server
