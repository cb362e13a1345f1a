#include "text/jinja/strftime.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "text/jinja/unicode.h"

namespace quern::jinja {

namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};

template <size_t n>
std::string_view name_of(const std::array<std::string_view, n>& names, int index) {
  return index >= 0 && index < static_cast<int>(n) ? names[static_cast<size_t>(index)] : "?";
}

struct Number {
  int value;
  int width;
  char pad;
};

int hour12(const std::tm& time) {
  return time.tm_hour % 12 == 0 ? 12 : time.tm_hour % 12;
}

// ISO 8601 year and week (%G and %V).
struct IsoWeek {
  int year;
  int week;
};

IsoWeek iso_week(const std::tm& time) {
  const int weekday = (time.tm_wday + 6) % 7;  // Monday is 0
  const int year = time.tm_year + 1900;
  const int week = (time.tm_yday - weekday + 10) / 7;
  const auto weeks_in = [](int y) {
    const auto dominical = [](int n) { return (n + n / 4 - n / 100 + n / 400) % 7; };
    return dominical(y) == 4 || dominical(y - 1) == 3 ? 53 : 52;
  };
  if (week < 1) {
    return {year - 1, weeks_in(year - 1)};
  }
  return week > weeks_in(year) ? IsoWeek{year + 1, 1} : IsoWeek{year, week};
}

// Seconds since 1970 of the broken-down time read as UTC.
int64_t epoch_seconds(const std::tm& time) {
  const int64_t year = time.tm_year + 1899;
  const int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + time.tm_yday - 719162;
  return ((days * 24 + time.tm_hour) * 60 + time.tm_min) * 60 + time.tm_sec;
}

std::optional<Number> date_number(char directive, const std::tm& time) {
  switch (directive) {
    case 'd':
      return Number{time.tm_mday, 2, '0'};
    case 'e':
      return Number{time.tm_mday, 2, ' '};
    case 'm':
      return Number{time.tm_mon + 1, 2, '0'};
    case 'y':
      return Number{(time.tm_year + 1900) % 100, 2, '0'};
    case 'Y':
      return Number{time.tm_year + 1900, 1, '0'};
    case 'C':
      return Number{(time.tm_year + 1900) / 100, 2, '0'};
    case 'j':
      return Number{time.tm_yday + 1, 3, '0'};
    case 'u':
      return Number{time.tm_wday == 0 ? 7 : time.tm_wday, 1, '0'};
    case 'w':
      return Number{time.tm_wday, 1, '0'};
    case 'U':
      return Number{(time.tm_yday + 7 - time.tm_wday) / 7, 2, '0'};
    case 'W':
      return Number{(time.tm_yday + 7 - (time.tm_wday + 6) % 7) / 7, 2, '0'};
    case 'V':
      return Number{iso_week(time).week, 2, '0'};
    case 'G':
      return Number{iso_week(time).year, 1, '0'};
    default:
      return std::nullopt;
  }
}

std::optional<Number> time_number(char directive, const std::tm& time) {
  switch (directive) {
    case 'H':
      return Number{time.tm_hour, 2, '0'};
    case 'k':
      return Number{time.tm_hour, 2, ' '};
    case 'I':
      return Number{hour12(time), 2, '0'};
    case 'l':
      return Number{hour12(time), 2, ' '};
    case 'M':
      return Number{time.tm_min, 2, '0'};
    case 'S':
      return Number{time.tm_sec, 2, '0'};
    case 'f':
      return Number{0, 6, '0'};  // Python's microseconds
    default:
      return std::nullopt;
  }
}

std::optional<std::string> name(char directive, const std::tm& time) {
  switch (directive) {
    case 'a':
      return std::string(name_of(kDays, time.tm_wday).substr(0, 3));
    case 'A':
      return std::string(name_of(kDays, time.tm_wday));
    case 'b':
    case 'h':
      return std::string(name_of(kMonths, time.tm_mon).substr(0, 3));
    case 'B':
      return std::string(name_of(kMonths, time.tm_mon));
    case 'p':
      return time.tm_hour < 12 ? "AM" : "PM";
    case 'P':
      return time.tm_hour < 12 ? "am" : "pm";
    case 'n':
      return "\n";
    case 't':
      return "\t";
    case '%':
      return "%";
    case 'Z':
    case 'z':
      return "";  // a time without zone
    case 's':
      return std::to_string(epoch_seconds(time));
    default:
      return std::nullopt;
  }
}

// The directive that a compound one is short for.
std::string_view expansion(char directive) {
  switch (directive) {
    case 'D':
    case 'x':
      return "%m/%d/%y";
    case 'F':
      return "%Y-%m-%d";
    case 'T':
    case 'X':
      return "%H:%M:%S";
    case 'R':
      return "%H:%M";
    case 'r':
      return "%I:%M:%S %p";
    case 'c':
      return "%a %b %e %H:%M:%S %Y";
    default:
      return {};
  }
}

std::string pad(Number number, char flag) {
  if (flag == '-') {
    return std::to_string(number.value);
  }
  const char fill = flag == '_' ? ' ' : flag == '0' ? '0' : number.pad;
  const std::string digits = std::to_string(number.value);
  const auto width = static_cast<size_t>(number.width);
  return digits.size() < width ? std::string(width - digits.size(), fill) + digits : digits;
}

std::optional<std::string> directive_text(char directive, char flag, const std::tm& time) {
  if (const std::string_view longer = expansion(directive); !longer.empty()) {
    return format_time(longer, time);
  }
  auto number = date_number(directive, time);
  number = number ? number : time_number(directive, time);
  if (number) {
    return pad(*number, flag);
  }
  auto text = name(directive, time);
  return text && flag == '^' ? to_upper(*text) : text;
}

}  // namespace

std::string format_time(std::string_view format, const std::tm& time) {
  static constexpr std::string_view kFlags = "-_0^";
  std::string out;
  while (!format.empty()) {
    const size_t percent = std::min(format.find('%'), format.size());
    out += format.substr(0, percent);
    format.remove_prefix(percent);
    if (format.size() < 2) {
      break;
    }
    const bool flagged = format.size() > 2 && kFlags.find(format[1]) != std::string_view::npos;
    const size_t length = flagged ? 3 : 2;
    const auto text = directive_text(format[length - 1], flagged ? format[1] : '\0', time);
    out += text ? *text : std::string(format.substr(0, length));
    format.remove_prefix(length);
  }
  return out += format;
}

}  // namespace quern::jinja
