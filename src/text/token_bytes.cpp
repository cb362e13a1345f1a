#include "text/token_bytes.h"

#include "text/bpe.h"

namespace quern {

namespace {

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
      out += decode_byte_level(text);
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
