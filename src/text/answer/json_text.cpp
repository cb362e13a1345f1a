#include "text/answer/json_text.h"

#include <utility>

#include "text/utf8.h"

namespace quern::answer {

namespace {

constexpr std::string_view kEscapes = "\"\\/bfnrt";
constexpr std::string_view kEscaped = "\"\\/\b\f\n\r\t";

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto tail = [&](uint32_t shift) { put(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    tail(6);
    tail(0);
  } else {
    put(0xF0 | (code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

uint32_t hex_value(char c) {
  return static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

}  // namespace

void append_json_escaped(std::string& out, char c) {
  const size_t at = kEscaped.find(c);
  if (at != std::string_view::npos && c != '/') {
    out += '\\';
    out += kEscapes[at];
  } else if (static_cast<unsigned char>(c) < 0x20) {
    constexpr std::string_view kHex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    out += "\\u00";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  } else {
    out += c;
  }
}

void JsonUnescaper::push(char c, std::string& out) {
  if (state_ == State::hex) {
    unit_ = (unit_ << 4) | hex_value(c);
    if (--n_hex_ == 0) {
      state_ = State::plain;
      push_unit(out);
    }
  } else if (state_ == State::escape) {
    push_escape(c, out);
  } else if (c == '\\') {
    state_ = State::escape;
  } else {
    finish(out);
    out += c;
  }
}

void JsonUnescaper::push_escape(char c, std::string& out) {
  if (c == 'u') {
    state_ = State::hex;
    n_hex_ = 4;
    unit_ = 0;
    return;
  }
  finish(out);
  state_ = State::plain;
  const size_t at = kEscapes.find(c);
  out += at == std::string_view::npos ? c : kEscaped[at];
}

// Surrogates: Unicode 15, section 3.9, D91.
void JsonUnescaper::push_unit(std::string& out) {
  const bool is_low = unit_ >= 0xDC00 && unit_ < 0xE000;
  if (high_ != 0 && is_low) {
    append_utf8(out, 0x10000 + ((std::exchange(high_, 0) - 0xD800) << 10) + (unit_ - 0xDC00));
    return;
  }
  finish(out);
  if (unit_ >= 0xD800 && unit_ < 0xDC00) {
    high_ = unit_;
  } else if (is_low) {
    out += kReplacementUtf8;
  } else {
    append_utf8(out, unit_);
  }
}

void JsonUnescaper::finish(std::string& out) {
  if (std::exchange(high_, 0) != 0) {
    out += kReplacementUtf8;
  }
}

std::string unescape_json(std::string_view text) {
  std::string out;
  JsonUnescaper unescaper;
  for (const char c : text) {
    unescaper.push(c, out);
  }
  unescaper.finish(out);
  return out;
}

}  // namespace quern::answer
