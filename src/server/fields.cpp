#include "server/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "text/printable.h"

namespace quern::server {
namespace {

std::string list_words(std::initializer_list<std::string_view> words) {
  std::string text = "one of";
  for (const std::string_view word : words) {
    text += text.ends_with("of") ? " " : ", ";
    text += word;
  }
  return text;
}

// A string as errors show it.
std::string quoted(const Json& json) {
  constexpr size_t kMostBytes = 64;
  const auto& text = json.get_ref<const std::string&>();
  return text.size() > kMostBytes ? "a longer word" : fmt::format("\"{}\"", printable(text));
}

template <typename T>
std::string range_words(std::string_view kind, Range<T> range) {
  return range.low == range.high ? fmt::format("{}", range.low)
                                 : fmt::format("{} from {} to {}", kind, range.low, range.high);
}

std::string list_words(Range<size_t> n_items) {
  if (n_items.high != kAnyLength) {
    return fmt::format("a list of {} to {}", n_items.low, n_items.high);
  }
  return n_items.low == 0 ? "a list" : fmt::format("a list of at least {}", n_items.low);
}

bool is_empty(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
      return true;
    case Json::value_t::boolean:
      return !json.get<bool>();
    case Json::value_t::string:
    case Json::value_t::array:
    case Json::value_t::object:
      return json.is_string() ? json.get_ref<const std::string&>().empty() : json.empty();
    default:
      return false;
  }
}

}  // namespace

Api<Json> parse_object(std::string_view body) {
  Result<Json> json = parse_json(body);
  if (!json) {
    return refuse({.code = "invalid_json",
                   .message = json.error().what + "; expected " + json.error().expected});
  }
  if (!json->is_object()) {
    return refuse({.code = "invalid_json",
                   .message = "the body is " + describe(*json) + "; expected a JSON object"});
  }
  return std::move(*json);
}

std::string describe(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
    case Json::value_t::boolean:
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      return json.dump();
    case Json::value_t::string:
      return "a string";
    case Json::value_t::array:
      return fmt::format("a list of {}", json.size());
    default:
      return "an object";
  }
}

std::optional<int64_t> whole_number(const Json& json) {
  if (json.is_number_unsigned()) {
    const auto number = json.get<uint64_t>();
    return number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
               ? std::optional(static_cast<int64_t>(number))
               : std::nullopt;
  }
  if (json.is_number_integer()) {
    return json.get<int64_t>();
  }
  if (json.is_number_float()) {
    const auto number = json.get<double>();
    constexpr double kLimit = 9223372036854775808.0;  // 2^63
    // Excluding -2^63: what lies below it rounds to it.
    if (number > -kLimit && number < kLimit && std::trunc(number) == number) {
      return static_cast<int64_t>(number);
    }
  }
  return std::nullopt;
}

size_t n_characters(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

Fields::Fields(const Json& object, std::string prefix)
    : object_(object), prefix_(std::move(prefix)) {}

const Json* Fields::find(std::string_view name) const {
  const auto it = object_.find(name);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

void Fields::fault(std::string_view name, std::string message) {
  if (!error_) {
    error_ = bad_field(full_name(name), std::move(message));
  }
}

void Fields::fault_itself(std::string message) {
  if (!error_) {
    error_ =
        bad_field(std::string_view(prefix_).substr(0, prefix_.size() - (prefix_.empty() ? 0 : 1)),
                  std::move(message));
  }
}

void Fields::unexpected(std::string_view name, const Json& value, std::string_view expected) {
  if (!error_) {
    fault(name, fmt::format("{} is {}; expected {}", full_name(name), describe(value), expected));
  }
}

void Fields::adopt(const Fields& child) {
  if (!error_) {
    error_ = child.error_;
  }
}

void Fields::each(const ObjectList& list, const std::function<void(Fields& item)>& read) {
  for (size_t i = 0; list.json != nullptr && i < list.json->size() && !error_; ++i) {
    const std::string name = fmt::format("{}[{}]", list.name, i);
    const Json& json = (*list.json)[i];
    if (!json.is_object()) {
      unexpected(name, json, list.expected);
      return;
    }
    Fields item(json, full_name(name) + ".");
    read(item);
    adopt(item);
  }
}

std::optional<double> Fields::read_real(std::string_view name, Range<double> range) {
  const Json* json = find(name);
  if (json == nullptr) {
    return std::nullopt;
  }
  const double number = json->is_number() ? json->get<double>() : std::nan("");
  if (!(number >= range.low && number <= range.high)) {
    unexpected(name, *json, range_words("a number", range));
    return std::nullopt;
  }
  return number;
}

std::optional<int64_t> Fields::read_integer(std::string_view name, Range<int64_t> range) {
  const Json* json = find(name);
  if (json == nullptr) {
    return std::nullopt;
  }
  const auto number = whole_number(*json);
  if (!number || *number < range.low || *number > range.high) {
    unexpected(name, *json, range_words("an integer", range));
    return std::nullopt;
  }
  return number;
}

void Fields::real(std::string_view name, std::optional<float>& out, Range<double> range) {
  if (const auto number = read_real(name, range)) {
    out = static_cast<float>(*number);
  }
}

void Fields::integer(std::string_view name, int64_t& out, Range<int64_t> range) {
  if (const auto number = read_integer(name, range)) {
    out = *number;
  }
}

void Fields::boolean(std::string_view name, bool& out) {
  std::optional<bool> value;
  boolean(name, value);
  out = value.value_or(out);
}

void Fields::boolean(std::string_view name, std::optional<bool>& out) {
  if (const Json* json = find(name)) {
    if (json->is_boolean()) {
      out = json->get<bool>();
    } else {
      unexpected(name, *json, "true or false");
    }
  }
}

void Fields::text(std::string_view name, std::string& out, size_t max_chars) {
  const Json* json = find(name);
  if (json == nullptr) {
    return;
  }
  if (!json->is_string()) {
    unexpected(name, *json, "a string");
    return;
  }
  const auto& value = json->get_ref<const std::string&>();
  if (max_chars != kAnyLength && n_characters(value) > max_chars) {
    fault(name, fmt::format("{} has {} characters; expected at most {}", full_name(name),
                            n_characters(value), max_chars));
    return;
  }
  out = value;
}

void Fields::word(std::string_view name, std::string& out,
                  std::initializer_list<std::string_view> words) {
  const Json* json = find(name);
  if (json == nullptr) {
    return;
  }
  if (!json->is_string() ||
      std::ranges::find(words, json->get_ref<const std::string&>()) == words.end()) {
    fault(name,
          fmt::format("{} is {}; expected {}", full_name(name),
                      json->is_string() ? quoted(*json) : describe(*json), list_words(words)));
    return;
  }
  out = json->get<std::string>();
}

void Fields::strings(std::string_view name, std::vector<std::string>& out, size_t n_most) {
  const Json* json = find(name);
  if (json == nullptr) {
    return;
  }
  if (json->is_array() ? json->size() > n_most : !json->is_string()) {
    unexpected(name, *json, fmt::format("a string, or a list of at most {} strings", n_most));
    return;
  }
  std::vector<std::string> values;
  for (size_t i = 0; i < (json->is_array() ? json->size() : 1); ++i) {
    const Json& item = json->is_array() ? (*json)[i] : *json;
    const std::string item_name =
        json->is_array() ? fmt::format("{}[{}]", name, i) : std::string(name);
    if (!item.is_string()) {
      unexpected(item_name, item, "a string");
      return;
    }
    values.push_back(item.get<std::string>());
    if (values.back().empty()) {
      fault(item_name, full_name(item_name) + " is empty; expected at least one character");
      return;
    }
  }
  out = std::move(values);
}

void Fields::token_ids(std::string_view name, std::vector<TokenId>& out, uint32_t vocab_size) {
  const Json* json = array(name, {0, kAnyLength});
  if (json == nullptr) {
    return;
  }
  std::vector<TokenId> ids;
  ids.reserve(json->size());
  for (size_t i = 0; i < json->size(); ++i) {
    const auto id = whole_number((*json)[i]);
    if (!id || *id < 0 || *id >= int64_t{vocab_size}) {
      unexpected(fmt::format("{}[{}]", name, i), (*json)[i],
                 fmt::format("a token id from 0 to {}", vocab_size - 1));
      return;
    }
    ids.push_back(TokenId{static_cast<int32_t>(*id)});
  }
  out = std::move(ids);
}

const Json* Fields::object(std::string_view name) {
  const Json* json = find(name);
  if (json != nullptr && !json->is_object()) {
    unexpected(name, *json, "an object");
    return nullptr;
  }
  return json;
}

const Json* Fields::array(std::string_view name, Range<size_t> n_items) {
  const Json* json = find(name);
  if (json == nullptr) {
    return nullptr;
  }
  if (!json->is_array() || json->size() < n_items.low || json->size() > n_items.high) {
    unexpected(name, *json, list_words(n_items));
    return nullptr;
  }
  return json;
}

void Fields::unsupported(std::string_view name, std::string_view why) {
  const Json* json = find(name);
  if (json != nullptr && !is_empty(*json)) {
    refuse_value(name, fmt::format("{} is not supported: {}", full_name(name), why));
  }
}

void Fields::refuse_value(std::string_view name, std::string message) {
  if (!error_) {
    error_ = bad_field(full_name(name), std::move(message));
    error_->code = "unsupported";
  }
}

void Fields::unsupported(std::span<const UnsupportedMember> members) {
  for (const UnsupportedMember& member : members) {
    const Json* json = find(member.name);
    if (json != nullptr && *json != Json::parse(member.off)) {
      unsupported(member.name, member.why);
    }
  }
}

void Fields::require(std::string_view name) {
  if (find(name) == nullptr) {
    fault(name, full_name(name) + " is missing; expected a value");
  }
}

namespace {

std::optional<int64_t> priority_of(const Json& json) {
  struct Word {
    std::string_view name;
    int64_t priority;
  };
  for (const Word& word : {Word{"high", -10}, Word{"normal", 0}, Word{"low", 10}}) {
    if (json == word.name) {
      return word.priority;
    }
  }
  return whole_number(json);
}

void read_priority(Fields& fields, int32_t& out) {
  constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();
  const Json* json = fields.find("priority");
  if (json == nullptr) {
    return;
  }
  const std::optional<int64_t> priority = priority_of(*json);
  if (priority && *priority >= -kLargest && *priority <= kLargest) {
    out = static_cast<int32_t>(*priority);
    return;
  }
  const std::string given = json->is_string() ? quoted(*json) : describe(*json);
  fields.fault("priority",
               fmt::format("priority is {}; expected an integer from {} to {}, or one of \"high\", "
                           "\"normal\", \"low\"",
                           given, -kLargest, kLargest));
}

}  // namespace

void read_schedule(Fields& fields, ScheduleFields& out) {
  constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();
  read_priority(fields, out.priority);
  fields.integer("timeout_ms", out.timeout_ms, {1, kLargest});
  fields.integer("queue_timeout_ms", out.queue_timeout_ms, {1, kLargest});
  fields.integer("first_token_timeout_ms", out.first_token_timeout_ms, {1, kLargest});
}

void read_stop(Fields& fields, std::string_view name, std::vector<std::string>& out) {
  fields.strings(name, out, kMaxStopStrings);
  for (const std::string& stop : out) {
    if (n_characters(stop) > kMaxStopChars) {
      fields.fault(name, fmt::format("{} has a string of {} characters; expected at most {}",
                                     fields.full_name(name), n_characters(stop), kMaxStopChars));
    }
  }
}

}  // namespace quern::server
