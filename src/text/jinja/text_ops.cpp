#include "text/jinja/text_ops.h"

#include <algorithm>

#include "text/jinja/unicode.h"

namespace quern::jinja {

std::vector<std::string_view> split_text(std::string_view text, const Cut& cut) {
  std::vector<std::string_view> parts;
  size_t at = 0;
  while (parts.size() < cut.limit) {
    const size_t found = text.find(cut.separator, at);
    if (found == std::string_view::npos) {
      break;
    }
    parts.push_back(text.substr(at, found - at));
    at = found + cut.separator.size();
  }
  parts.push_back(text.substr(at));
  return parts;
}

std::vector<std::string_view> rsplit_text(std::string_view text, const Cut& cut) {
  std::vector<std::string_view> parts;
  while (parts.size() < cut.limit) {
    const size_t found = text.rfind(cut.separator);
    if (found == std::string_view::npos) {
      break;
    }
    parts.push_back(text.substr(found + cut.separator.size()));
    text = text.substr(0, found);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_space(std::string_view text, size_t limit) {
  std::vector<std::string_view> parts;
  for (text = strip(text, Side::left); !text.empty(); text = strip(text, Side::left)) {
    if (parts.size() == limit) {
      parts.push_back(text);
      break;
    }
    size_t end = 0;
    while (end < text.size() && !is_space(char_at(text, end))) {
      end += char_bytes(text, end);
    }
    parts.push_back(text.substr(0, end));
    text = text.substr(end);
  }
  return parts;
}

std::vector<std::string_view> rsplit_space(std::string_view text, size_t limit) {
  std::vector<std::string_view> parts = split_space(text, SIZE_MAX);
  if (parts.size() > limit) {
    // All before the last `limit` words is one part.
    const size_t n_joined = parts.size() - limit;
    const std::string_view last = parts[n_joined - 1];
    const auto end = static_cast<size_t>(last.data() - text.data()) + last.size();
    const std::string_view head = text.substr(0, end);
    parts.erase(parts.begin() + 1, parts.begin() + static_cast<std::ptrdiff_t>(n_joined));
    parts.front() = head;
  }
  return parts;
}

namespace {

// Between all characters, as Python does for an empty `from`.
Result<std::string> interleave(Runtime& runtime, std::string_view text, const Replacement& how) {
  std::string out;
  size_t done = 0;
  for (size_t at = 0; at <= text.size();) {
    if (done < how.limit) {
      out += how.to;
      ++done;
    }
    const size_t length = at < text.size() ? char_bytes(text, at) : 1;
    out += text.substr(at, length);
    at += length;
    QUERN_TRY(runtime.reserve(out.size()));
  }
  return out;
}

}  // namespace

Result<std::string> replace_text(Runtime& runtime, std::string_view text, const Replacement& how) {
  QUERN_TRY(runtime.step(text.size() / 64));
  if (how.from.empty()) {
    return interleave(runtime, text, how);
  }
  std::string out;
  size_t at = 0;
  for (size_t done = 0; done < how.limit; ++done) {
    const size_t found = text.find(how.from, at);
    if (found == std::string_view::npos) {
      break;
    }
    out += text.substr(at, found - at);
    out += how.to;
    at = found + how.from.size();
    QUERN_TRY(runtime.reserve(out.size()));
  }
  out += text.substr(at);
  return out;
}

}  // namespace quern::jinja
