#include "base/result.h"

#include <fmt/format.h>

#include <string_view>

namespace quern {

namespace {

// Bytes of the control character that starts `text`: C0, DEL, or C1 as UTF-8; 0 for another.
size_t control_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x20 || byte(0) == 0x7F) {
    return 1;
  }
  const bool c1 = byte(0) == 0xC2 && text.size() > 1 && byte(1) >= 0x80 && byte(1) < 0xA0;
  return c1 ? 2 : 0;
}

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const size_t n_bytes = control_bytes(text);
    if (n_bytes == 0) {
      out += text.front();
    } else if (text.front() == '\n') {
      out += "\\n";
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[n_bytes - 1]));
    }
    text.remove_prefix(n_bytes == 0 ? 1 : n_bytes);
  }
}

}  // namespace

std::string Error::to_string() const {
  std::string line = "[";
  append_escaped(line, where);
  line += "] ";
  if (!file.empty()) {
    line += '\'';
    append_escaped(line, file);
    line += "': ";
  }
  append_escaped(line, what);
  if (!expected.empty()) {
    line += "; expected ";
    append_escaped(line, expected);
  }
  return line;
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_input:
    case ErrorKind::not_found:
    case ErrorKind::unsupported:
      return 1;
    case ErrorKind::usage:
      return 2;
    case ErrorKind::out_of_memory:
    case ErrorKind::io:
    case ErrorKind::device:
      return 3;
    case ErrorKind::cancelled:
      return 130;
  }
  return 3;
}

}  // namespace quern
