// JSON from outside and back: reading within bounds, writing what is always valid UTF-8.
// Pure functions.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace quern::server {

// Keeps the order of keys, which templates print.
using Json = nlohmann::ordered_json;

inline constexpr size_t kMaxBodyDepth = 128;
// Looking a member up walks all of an object's.
inline constexpr size_t kMaxMembers = 65'536;
// A value takes up to 80 bytes, where its text may have two.
inline constexpr size_t kMaxValues = size_t{2} << 20;

// Errors: malformed (with the byte), no UTF-8, a number beyond a double, more than kMaxBodyDepth
// levels, an object of more than kMaxMembers members, more than kMaxValues values. Of members with
// one name the last counts.
Result<Json> parse_json(std::string_view text);

// On one line; what is no UTF-8 becomes U+FFFD.
std::string dump(const Json& json);

}  // namespace quern::server
