#include "text/token_bytes.h"

#include <utility>

#include "text/utf8.h"

namespace quern {

namespace {

// GPT-2's table (Radford et al., 2019, encoder.py): printable Latin-1 characters stand for
// themselves; the other 68 bytes, in order, are U+0100 to U+0143. -1: no byte.
int byte_of(char32_t c) {
  const bool printable =
      (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF);
  if (printable) {
    return static_cast<int>(c);
  }
  if (c >= 0x100 && c <= 0x120) {
    return static_cast<int>(c) - 0x100;  // 0x00 to 0x20
  }
  if (c >= 0x121 && c <= 0x142) {
    return static_cast<int>(c) - 0x121 + 0x7F;  // 0x7F to 0xA0
  }
  return c == 0x143 ? 0xAD : -1;
}

// A text with a character outside the table was added by hand, and stands for itself.
void append_byte_level(std::string_view text, std::string& out) {
  const size_t n_before = out.size();
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Char c = decode_utf8(rest);
    const int byte = c.valid ? byte_of(c.code) : -1;
    if (byte < 0) {
      out.resize(n_before);
      out += text;
      return;
    }
    out.push_back(static_cast<char>(byte));
    rest.remove_prefix(c.n_bytes);
  }
}

void append_unmarked(std::string_view text, std::string& out) {
  for (size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with(kSpaceMark)) {
      out.push_back(' ');
      at += kSpaceMark.size();
    } else {
      out.push_back(text[at++]);
    }
  }
}

void append_normal(std::string_view text, TokenSpelling spelling, std::string& out) {
  switch (spelling) {
    case TokenSpelling::byte_level:
      append_byte_level(text, out);
      break;
    case TokenSpelling::space_mark:
      append_unmarked(text, out);
      break;
    case TokenSpelling::plain:
      out += text;
      break;
  }
}

}  // namespace

TokenBytes::TokenBytes(const VocabTable& tokens, TokenSpelling spelling) {
  offsets_.reserve(tokens.size() + size_t{1});
  offsets_.push_back(0);
  for (int32_t i = 0; i < static_cast<int32_t>(tokens.size()); ++i) {
    const TokenId id{i};
    switch (tokens.type(id)) {
      case TokenType::control:
      case TokenType::unknown:
      case TokenType::user_defined:
        bytes_ += tokens.text(id);  // matched and written as it stands
        break;
      case TokenType::byte:
        bytes_.push_back(static_cast<char>(parse_byte_token(tokens.text(id))));
        break;
      default:
        append_normal(tokens.text(id), spelling, bytes_);
    }
    offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
}

}  // namespace quern
