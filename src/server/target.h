// The target of a request line: its path, taken apart and decoded, and its query.
// Source: RFC 9112, section 3.2 (forms of a target), RFC 3986, section 2.1 (percent-encoding).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quern::server {

struct Target {
  // Of the path, decoded one by one, so that "%2F" does not divide; empty ones are dropped, which
  // forgives double and trailing slashes.
  std::vector<std::string> segments;
  std::string path;   // "/" and the segments joined by "/"
  std::string query;  // after '?', undecoded
};

// Origin form ("/a?b"), absolute form ("http://host/a?b") and "*" (no segments). None for anything
// else: a bad escape, a control character, bytes that are no UTF-8.
std::optional<Target> parse_target(std::string_view text);

// "%41+b" -> "A+b"; none for a bad escape. In queries '+' is a space.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// The first value of `name` in a query, decoded; none when it is absent or malformed.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace quern::server
