// Fields: reads the members of a request's JSON object, with types and ranges checked; remembers
// the first one at fault. Not thread-safe. Borrows the object.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "server/api_error.h"
#include "server/generation.h"
#include "server/json.h"

namespace quern::server {

// The body as an object, within parse_json's bounds; else 400.
Api<Json> parse_object(std::string_view body);

template <typename T>
struct Range {
  T low;
  T high;
};

inline constexpr size_t kAnyLength = SIZE_MAX;
// Ids in a body before the model, and with it the vocabulary, is known.
inline constexpr uint32_t kAnyVocabulary = uint32_t{1} << 31;

// A member that is 400 by name, and why.
struct UnsupportedMember {
  std::string_view name;
  std::string_view why;
  // A value, as JSON, that wishes nothing; null, false and what is empty never do.
  std::string_view off = "null";
};

// The items of a list, each an object of its own.
struct ObjectList {
  std::string_view name;      // the list's
  const Json* json;           // null: nothing to read
  std::string_view expected;  // in place of an item that is no object: "a tool"
};

// Of all readers: absent and null leave `out` as it is; a wrong type or a value out of range is
// remembered. A number like 3.0 counts as an integer, as in JSON Schema.
class Fields {
 public:
  // `prefix` goes before names in errors: "options." for Ollama's.
  explicit Fields(const Json& object, std::string prefix = {});

  void real(std::string_view name, std::optional<float>& out, Range<double> range);
  void integer(std::string_view name, int64_t& out, Range<int64_t> range);
  // `range` must lie within what Int holds.
  template <std::integral Int>
  void integer(std::string_view name, std::optional<Int>& out, Range<int64_t> range) {
    if (const auto number = read_integer(name, range)) {
      out = static_cast<Int>(*number);
    }
  }
  void boolean(std::string_view name, bool& out);
  void boolean(std::string_view name, std::optional<bool>& out);
  // Lengths count characters.
  void text(std::string_view name, std::string& out, size_t max_chars = kAnyLength);
  // One of these words; `out` stays as it is when absent.
  void word(std::string_view name, std::string& out, std::initializer_list<std::string_view> words);
  // A string, or a list of at most n_most strings; none of them empty.
  void strings(std::string_view name, std::vector<std::string>& out, size_t n_most);
  void token_ids(std::string_view name, std::vector<TokenId>& out, uint32_t vocab_size);
  // Children of that type, null when absent (or at fault).
  const Json* object(std::string_view name);
  const Json* array(std::string_view name, Range<size_t> n_items);

  // 400 by name when it is there (and not null or false or empty): not supported yet.
  void unsupported(std::string_view name, std::string_view why);
  // The same for a value of a member that is supported otherwise.
  void refuse_value(std::string_view name, std::string message);
  void unsupported(std::span<const UnsupportedMember> members);
  // Reads item after item by fields of its own, until one is at fault.
  void each(const ObjectList& list, const std::function<void(Fields& item)>& read);
  // 400 when it is absent or null.
  void require(std::string_view name);
  // A child, null when absent or null.
  const Json* find(std::string_view name) const;
  void fault(std::string_view name, std::string message);
  // Of the object as a whole, by the name that it has in the one around it.
  void fault_itself(std::string message);
  // "temperature is 7; expected ..."
  void unexpected(std::string_view name, const Json& value, std::string_view expected);
  // Takes the fault of a child's fields.
  void adopt(const Fields& child);

  // With the prefix, as errors name it.
  std::string full_name(std::string_view name) const { return prefix_ + std::string(name); }
  const std::optional<ApiError>& error() const { return error_; }

 private:
  std::optional<double> read_real(std::string_view name, Range<double> range);
  std::optional<int64_t> read_integer(std::string_view name, Range<int64_t> range);

  const Json& object_;
  std::string prefix_;
  std::optional<ApiError> error_;
};

// The whole number that a JSON number is, 3.0 included; none for anything else.
std::optional<int64_t> whole_number(const Json& json);
// What a message says of a value: the number, `true`, "a string", "a list" ...
std::string describe(const Json& json);
// Characters of valid UTF-8.
size_t n_characters(std::string_view text);

inline constexpr size_t kMaxStopStrings = 16;
inline constexpr size_t kMaxStopChars = 1024;

// priority (an integer, or high, normal, low), timeout_ms, queue_timeout_ms,
// first_token_timeout_ms.
void read_schedule(Fields& fields, ScheduleFields& out);
// A string or at most kMaxStopStrings of them, each of 1 to kMaxStopChars characters.
void read_stop(Fields& fields, std::string_view name, std::vector<std::string>& out);

}  // namespace quern::server
