#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "text/jinja/error.h"
#include "text/jinja/literals.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

std::string Token::describe() const {
  switch (kind) {
    case TokenKind::text:
      return "text";
    case TokenKind::print_begin:
      return "'{{'";
    case TokenKind::print_end:
      return "'}}'";
    case TokenKind::block_begin:
      return "'{%'";
    case TokenKind::block_end:
      return "'%}'";
    case TokenKind::string:
      return "a string";
    case TokenKind::integer:
    case TokenKind::real:
      return "a number";
    case TokenKind::end:
      return "the end of the template";
    default:
      return "'" + text + "'";
  }
}

namespace {

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      i += i + 1 < source.size() && source[i + 1] == '\n' ? 1 : 0;
    }
  }
  if (!out.empty() && out.back() == '\n') {
    out.pop_back();
  }
  return out;
}

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

constexpr std::array<std::string_view, 26> kSymbols = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) {
      QUERN_TRY(root());
    }
    push(TokenKind::end, {});
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool next_is(std::string_view text) const { return rest().starts_with(text); }

  // Moves past n bytes, counting lines.
  void advance(size_t n) {
    const std::string_view passed = rest().substr(0, n);
    line_ += static_cast<uint32_t>(std::count(passed.begin(), passed.end(), '\n'));
    line_starting_ = !passed.empty() && passed.back() == '\n';
    at_ += n;
  }

  size_t space_length(std::string_view text) const {
    return text.size() - strip(text, Side::left).size();
  }

  void push(TokenKind kind, std::string text) {
    tokens_.push_back({.kind = kind, .line = line_, .text = std::move(text)});
  }

  // Text up to the next tag, then the tag's content.
  Status root();
  void push_text(std::string_view text, char sign, bool strips_line);
  size_t next_tag() const;
  size_t raw_begin_length() const;
  size_t raw_end_length(size_t tag) const;
  Status raw();
  Status comment();
  Status code(bool print);
  bool code_end(bool print);
  size_t code_end_length(bool print) const;
  Status token();
  Status name();
  Status string();
  Status number();
  Status symbol();
  Status balance(char c);

  std::string source_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  bool line_starting_ = true;
  std::vector<char> open_;  // closing brackets still to come inside the current tag
  std::vector<Token> tokens_;
};

// Length of "{% raw %}" at the current place, 0 when it is something else.
size_t Lexer::raw_begin_length() const {
  size_t n = 2;
  const std::string_view tag = rest();
  if (n < tag.size() && (tag[n] == '-' || tag[n] == '+')) {
    ++n;
  }
  n += space_length(tag.substr(n));
  if (!tag.substr(n).starts_with("raw")) {
    return 0;
  }
  n += 3;
  n += space_length(tag.substr(n));
  if (tag.substr(n).starts_with("-%}")) {
    n += 3;
    return n + space_length(tag.substr(n));
  }
  return tag.substr(n).starts_with("%}") ? n + 2 : 0;
}

void Lexer::push_text(std::string_view text, char sign, bool strips_line) {
  std::string_view kept = text;
  if (sign == '-') {
    kept = strip(text, Side::right);
  } else if (sign != '+' && strips_line) {
    const size_t last_line = text.rfind('\n') + 1;
    const bool starts_line = last_line > 0 || line_starting_;
    if (starts_line && strip(text.substr(last_line), Side::right).empty()) {
      kept = text.substr(0, last_line);
    }
  }
  if (!kept.empty()) {
    push(TokenKind::text, std::string(kept));
  }
  advance(text.size());
}

// Where the next "{{", "{%" or "{#" is; npos without one.
size_t Lexer::next_tag() const {
  for (size_t tag = source_.find('{', at_); tag != std::string::npos;
       tag = source_.find('{', tag + 1)) {
    const char next = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
    if (next == '{' || next == '%' || next == '#') {
      return tag;
    }
  }
  return std::string::npos;
}

Status Lexer::root() {
  const size_t tag = next_tag();
  if (tag == std::string::npos) {
    push(TokenKind::text, std::string(rest()));
    advance(rest().size());
    return {};
  }
  const char kind = source_[tag + 1];
  const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
  push_text(rest().substr(0, tag - at_), sign, kind != '{');
  const size_t raw_length = kind == '%' ? raw_begin_length() : 0;
  if (raw_length > 0) {
    advance(raw_length);
    return raw();
  }
  const bool print = kind == '{';
  if (kind != '#') {
    push(print ? TokenKind::print_begin : TokenKind::block_begin, {});
  }
  advance(sign == '-' || sign == '+' ? 3 : 2);
  return kind == '#' ? comment() : code(print);
}

Status Lexer::comment() {
  const size_t end = source_.find("#}", at_);
  if (end == std::string::npos && at_ == source_.size()) {
    return {};  // Jinja misses the end only when something follows
  }
  if (end == std::string::npos) {
    return raise_at(line_, "the comment has no end", "'#}'");
  }
  const bool strips = end > at_ && source_[end - 1] == '-';
  const bool keeps = end > at_ && source_[end - 1] == '+';
  advance(end + 2 - at_);
  if (strips) {
    advance(space_length(rest()));
  } else if (!keeps && next_is("\n")) {
    advance(1);
  }
  return {};
}

// Length of "{% endraw %}" at `tag` with the whitespace that it takes along, 0 when it is something
// else.
size_t Lexer::raw_end_length(size_t tag) const {
  std::string_view text = std::string_view(source_).substr(tag);
  const size_t n_all = text.size();
  text.remove_prefix(text.size() > 2 && (text[2] == '-' || text[2] == '+') ? 3 : 2);
  text = strip(text, Side::left);
  if (!text.starts_with("endraw")) {
    return 0;
  }
  text = strip(text.substr(6), Side::left);
  if (text.starts_with("-%}")) {
    text = strip(text.substr(3), Side::left);
  } else if (text.starts_with("+%}")) {
    text.remove_prefix(3);
  } else if (text.starts_with("%}")) {
    text.remove_prefix(text.starts_with("%}\n") ? 3 : 2);
  } else {
    return 0;
  }
  return n_all - text.size();
}

Status Lexer::raw() {
  for (size_t tag = source_.find("{%", at_); tag != std::string::npos;
       tag = source_.find("{%", tag + 2)) {
    const size_t length = raw_end_length(tag);
    if (length > 0) {
      push_text(rest().substr(0, tag - at_), source_[tag + 2], true);
      advance(length);
      return {};
    }
  }
  if (at_ == source_.size()) {
    return {};
  }
  return raise_at(line_, "the raw block has no end", "'{% endraw %}'");
}

// Bytes of the end of the tag at the current place, with the whitespace that it takes along.
size_t Lexer::code_end_length(bool print) const {
  const std::string_view end = print ? "}}" : "%}";
  if (next_is(end)) {
    return 2 + (!print && rest().substr(2).starts_with('\n') ? 1 : 0);
  }
  const std::string_view after = rest().substr(1);
  if (!after.starts_with(end)) {
    return 0;
  }
  if (next_is("-")) {
    return 3 + space_length(rest().substr(3));
  }
  return !print && next_is("+") ? 3 : 0;
}

bool Lexer::code_end(bool print) {
  if (!open_.empty()) {
    return false;
  }
  const size_t length = code_end_length(print);
  if (length == 0) {
    return false;
  }
  push(print ? TokenKind::print_end : TokenKind::block_end, {});
  advance(length);
  return true;
}

Status Lexer::code(bool print) {
  open_.clear();
  while (at_ < source_.size()) {
    if (code_end(print)) {
      return {};
    }
    const size_t space = space_length(rest());
    if (space > 0) {
      advance(space);
    } else {
      QUERN_TRY(token());
    }
  }
  return {};  // the parser finds the missing end
}

Status Lexer::token() {
  const char c = source_[at_];
  if (is_ascii_digit(c)) {
    return number();
  }
  if (starts_name(c)) {
    return name();
  }
  return c == '"' || c == '\'' ? string() : symbol();
}

Status Lexer::name() {
  size_t n = 0;
  const std::string_view text = rest();
  while (n < text.size() && (starts_name(text[n]) || is_ascii_digit(text[n]))) {
    const size_t length = char_bytes(text, n);
    if (length > 1 && !is_alpha(char_at(text, n)) && !is_numeric(char_at(text, n))) {
      break;
    }
    n += length;
  }
  if (n == 0) {
    return raise_at(line_, "unexpected character", "a name, number, string or operator");
  }
  push(TokenKind::name, std::string(text.substr(0, n)));
  advance(n);
  return {};
}

Status Lexer::string() {
  const char quote = source_[at_];
  size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) {
    end += source_[end] == '\\' ? 2 : 1;
  }
  if (end >= source_.size()) {
    return raise_at(line_, "a string has no end", std::string("a closing ") + quote);
  }
  auto value = unescape_string(rest().substr(1, end - at_ - 1));
  if (!value) {
    return std::unexpected(at_line(std::move(value).error(), line_));
  }
  push(TokenKind::string, std::move(*value));
  advance(end + 1 - at_);
  return {};
}

Status Lexer::number() {
  const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
  auto scanned = scan_number(rest(), !after_dot);
  if (!scanned) {
    return std::unexpected(at_line(std::move(scanned).error(), line_));
  }
  tokens_.push_back({.kind = scanned->is_real ? TokenKind::real : TokenKind::integer,
                     .line = line_,
                     .text = {},
                     .integer = scanned->integer,
                     .real = scanned->real});
  advance(scanned->n_bytes);
  return {};
}

Status Lexer::balance(char c) {
  if (c == '(' || c == '[' || c == '{') {
    open_.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
  } else if (c == ')' || c == ']' || c == '}') {
    if (open_.empty() || open_.back() != c) {
      return raise_at(line_, std::string("unexpected '") + c + "'",
                      open_.empty() ? "" : std::string("'") + open_.back() + "'");
    }
    open_.pop_back();
  }
  return {};
}

Status Lexer::symbol() {
  const auto* symbol = std::find_if(kSymbols.begin(), kSymbols.end(),
                                    [&](std::string_view s) { return next_is(s); });
  if (symbol == kSymbols.end()) {
    return raise_at(line_, std::string("unexpected character '") + source_[at_] + "'",
                    "a name, number, string or operator");
  }
  QUERN_TRY(balance(symbol->front()));
  push(TokenKind::symbol, std::string(*symbol));
  advance(symbol->size());
  return {};
}

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) {
  if (!valid_utf8(source)) {
    return fail({.where = "template", .what = "the text is not valid UTF-8", .expected = {}});
  }
  return Lexer(normalize_newlines(source)).run();
}

}  // namespace quern::jinja
