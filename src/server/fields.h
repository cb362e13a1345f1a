// Fields: reads the members of a request's JSON object, with types and ranges checked; remembers
// the first one at fault. Not thread-safe. Borrows the object.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "sampling/sampling_params.h"
#include "server/api_error.h"
#include "server/generation.h"

namespace quern::server {

using Json = nlohmann::json;

// The body as an object: UTF-8, at most 128 levels deep; else 400.
Api<Json> parse_object(std::string_view body);

template <typename T>
struct Range {
  T low;
  T high;
};

class Fields {
 public:
  // `prefix` goes before names in errors: "options." for Ollama's.
  explicit Fields(const Json& object, std::string prefix = {});

  // Absent and null leave `out` as it is. A wrong type or a value out of range is remembered.
  void real(std::string_view name, float& out, Range<float> range);
  void integer(std::string_view name, int64_t& out, Range<int64_t> range);
  void boolean(std::string_view name, bool& out);
  void text(std::string_view name, std::string& out);
  void strings(std::string_view name, std::vector<std::string>& out, size_t n_most);
  void token_ids(std::string_view name, std::vector<TokenId>& out, uint32_t vocab_size);
  // 400 by name when it is there (and not null or false or empty): not supported yet.
  void unsupported(std::string_view name, std::string_view why);
  // A child, null when absent.
  const Json* find(std::string_view name) const;
  void fault(std::string_view name, std::string message);

  const std::optional<ApiError>& error() const { return error_; }

 private:
  const Json& object_;
  std::string prefix_;
  std::optional<ApiError> error_;
};

// priority (an integer, or high, normal, low), timeout_ms, queue_timeout_ms,
// first_token_timeout_ms.
void read_schedule(Fields& fields, ScheduleFields& out);

}  // namespace quern::server
