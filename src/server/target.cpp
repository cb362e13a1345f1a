#include "server/target.h"

#include <algorithm>
#include <cstdint>

#include "text/utf8.h"

namespace quern::server {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

// What stands after scheme and authority of an absolute form; `text` itself for others.
std::string_view without_authority(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.starts_with(scheme)) {
      text.remove_prefix(scheme.size());
      const size_t end = text.find_first_of("/?");
      return end == std::string_view::npos ? std::string_view("/") : text.substr(end);
    }
  }
  return text;
}

bool add_segment(std::string_view encoded, Target& target) {
  if (encoded.empty()) {
    return true;
  }
  std::optional<std::string> segment = percent_decode(encoded, false);
  if (!segment || std::ranges::any_of(*segment, is_control) || !is_valid_utf8(*segment)) {
    return false;
  }
  target.path += "/" + *segment;
  target.segments.push_back(std::move(*segment));
  return true;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::optional<Target> parse_target(std::string_view text) {
  Target target;
  if (text == "*") {
    target.path = "*";
    return target;
  }
  text = without_authority(text);
  if (const size_t hash = text.find('#'); hash != std::string_view::npos) {
    text = text.substr(0, hash);
  }
  if (const size_t mark = text.find('?'); mark != std::string_view::npos) {
    target.query = text.substr(mark + 1);
    text = text.substr(0, mark);
    if (!is_valid_utf8(target.query) || std::ranges::any_of(target.query, is_control)) {
      return std::nullopt;
    }
  }
  if (!text.empty() && text.front() != '/') {
    return std::nullopt;
  }
  while (!text.empty()) {
    text.remove_prefix(1);
    const size_t end = std::min(text.find('/'), text.size());
    if (!add_segment(text.substr(0, end), target)) {
      return std::nullopt;
    }
    text.remove_prefix(end);
  }
  if (target.path.empty()) {
    target.path = "/";
  }
  return target;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (percent_decode(pair.substr(0, equals), true) == name) {
      return percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    }
  }
  return std::nullopt;
}

}  // namespace quern::server
