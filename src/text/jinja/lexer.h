// Splits a template into text and the tokens inside {{ }} and {% %}, with whitespace control as
// Hugging Face sets it: trim_blocks and lstrip_blocks on, the last newline dropped.
// Source of the rules: Jinja's documentation, "Template Designer", sections Whitespace Control,
// Escaping and Literals.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace quern::jinja {

enum class TokenKind : uint8_t {
  text,
  print_begin,
  print_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  symbol,
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  uint32_t line = 1;
  std::string text;  // text, name, symbol, or the string's value
  int64_t integer = 0;
  double real = 0;

  bool is(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
  bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
  // For messages.
  std::string describe() const;
};

// The last token is `end`. `source` may have any kind of line ends.
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace quern::jinja
