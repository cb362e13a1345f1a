#include "text/chat_template.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace quern {

ChatTemplate::ChatTemplate(std::shared_ptr<const jinja::Ast> ast, const jinja::Limits& limits)
    : ast_(std::move(ast)), limits_(limits) {}

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, const jinja::Limits& limits) {
  QUERN_ASSIGN(std::unique_ptr<const jinja::Ast> ast, jinja::parse_template(source, limits));
  return ChatTemplate(std::move(ast), limits);
}

ChatTemplate ChatTemplate::with_fuel(uint64_t fuel) const {
  jinja::Limits limits = limits_;
  limits.fuel = std::min(limits.fuel, fuel);
  return {ast_, limits};
}

Result<std::string> ChatTemplate::render(const jinja::Dict& context, const std::tm& now) const {
  jinja::Runtime runtime(limits_, now);
  if (const Status shallow = runtime.check_depth(context.depth()); !shallow) {
    return std::unexpected(jinja::at_line(shallow.error(), 1));
  }
  return jinja::Interpreter(*ast_, runtime, context).render();
}

Result<std::string> ChatTemplate::render(const ChatPrompt& prompt) const {
  std::vector<jinja::Value> messages;
  for (const ChatMessage& message : prompt.messages) {
    jinja::Dict entries;
    entries.set("role", jinja::Value::string(message.role));
    entries.set("content", jinja::Value::string(message.content));
    messages.push_back(jinja::Value::dict(std::move(entries)));
  }
  jinja::Dict context;
  context.set("messages", jinja::Value::list(std::move(messages)));
  context.set("tools", jinja::Value::none());
  context.set("documents", jinja::Value::none());
  context.set("add_generation_prompt", jinja::Value::boolean(prompt.add_generation_prompt));
  context.set("bos_token", jinja::Value::string(prompt.bos_token));
  context.set("eos_token", jinja::Value::string(prompt.eos_token));
  for (const auto& [name, value] : prompt.variables) {
    context.set(name, value);
  }
  return render(context, prompt.now);
}

namespace {

// The number in text[from, from + n) when it lies between low and high, else -1.
struct Range {
  int low;
  int high;
};
int digits(std::string_view text, size_t from, Range range) {
  const size_t n = range.high > 99 ? 4 : 2;
  int value = 0;
  if (text.size() < from + n) {
    return -1;
  }
  const char* end = text.data() + from + n;
  const auto result = std::from_chars(text.data() + from, end, value);
  return result.ptr == end && value >= range.low && value <= range.high ? value : -1;
}

bool leap(int year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

constexpr std::array<int, 13> kDaysBefore = {0,   31,  59,  90,  120, 151, 181,
                                             212, 243, 273, 304, 334, 365};

int days_in(int year, int month) {
  return kDaysBefore[static_cast<size_t>(month)] - kDaysBefore[static_cast<size_t>(month) - 1] +
         (month == 2 && leap(year) ? 1 : 0);
}

// Year, month and day into `time`; false when they are no date.
bool read_date(std::string_view text, std::tm& time) {
  const int year = digits(text, 0, {1, 9999});
  const int month = digits(text, 5, {1, 12});
  if (year < 0 || month < 0 || text.size() < 10 || text[4] != '-' || text[7] != '-') {
    return false;
  }
  const int day = digits(text, 8, {1, days_in(year, month)});
  if (day < 0) {
    return false;
  }
  time.tm_year = year - 1900;
  time.tm_mon = month - 1;
  time.tm_mday = day;
  time.tm_yday =
      kDaysBefore[static_cast<size_t>(month) - 1] + day - 1 + (month > 2 && leap(year) ? 1 : 0);
  const int before = year - 1;  // whole years since year 1, whose first day was a Monday
  const int days = before * 365 + before / 4 - before / 100 + before / 400 + time.tm_yday;
  time.tm_wday = (days + 1) % 7;
  return true;
}

// Hour, minute and second, the last of which may be missing.
bool read_clock(std::string_view text, std::tm& time) {
  time.tm_hour = digits(text, 11, {0, 23});
  time.tm_min = digits(text, 14, {0, 59});
  time.tm_sec = text.size() > 16 ? digits(text, 17, {0, 60}) : 0;
  return time.tm_hour >= 0 && time.tm_min >= 0 && time.tm_sec >= 0;
}

}  // namespace

Result<std::tm> parse_time(std::string_view text) {
  std::tm time{};
  if (!read_date(text, time) || (text.size() > 10 && !read_clock(text, time))) {
    return fail({.where = "template",
                 .what = "the time '" + std::string(text) + "' is not valid",
                 .expected = "a time like 2026-01-15T12:00:00"});
  }
  return time;
}

}  // namespace quern
