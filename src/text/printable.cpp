#include "text/printable.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include "text/unicode.h"

namespace quern {
namespace {

// kReplacement also stands for an ill-formed byte, of which there is one.
bool stands_as_it_is(const Char& c) {
  if (c.n_bytes == 1) {
    return c.code_point >= 0x20 && c.code_point < 0x7F;
  }
  const CharClass classes = char_class(c.code_point);
  return classes != 0 && (classes & kSpace) == 0;
}

}  // namespace

std::string printable(std::string_view text, size_t max_chars) {
  std::string line;
  size_t n_chars = 0;
  while (!text.empty()) {
    if (n_chars >= max_chars) {
      return line + "...";
    }
    const Char c = decode_char(text.data(), text.data() + text.size());
    if (stands_as_it_is(c)) {
      line += text.substr(0, c.n_bytes);
      ++n_chars;
    } else {
      for (const char byte : text.substr(0, c.n_bytes)) {
        line += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
        n_chars += 4;
      }
    }
    text.remove_prefix(c.n_bytes);
  }
  return line;
}

size_t display_width(std::string_view text) {
  size_t n_columns = 0;
  while (!text.empty()) {
    const Char c = decode_char(text.data(), text.data() + text.size());
    n_columns +=
        static_cast<size_t>(utf8proc_charwidth(static_cast<utf8proc_int32_t>(c.code_point)));
    text.remove_prefix(c.n_bytes);
  }
  return n_columns;
}

}  // namespace quern
