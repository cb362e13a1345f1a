// The text of JSON strings: reading its escapes byte by byte, and writing them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quern::answer {

// Appends `c`, one byte of a string, as JSON writes it between the quotes.
void append_json_escaped(std::string& out, char c);

// Turns the bytes between a JSON string's quotes, which a JsonScanner has accepted, into the text
// that they stand for. A surrogate without its other half becomes U+FFFD.
// Not thread-safe. Owns nothing outside itself.
class JsonUnescaper {
 public:
  void push(char c, std::string& out);
  void finish(std::string& out);
  bool in_escape() const { return state_ != State::plain; }

 private:
  enum class State : uint8_t { plain, escape, hex };

  void push_escape(char c, std::string& out);
  void push_unit(std::string& out);

  State state_ = State::plain;
  uint8_t n_hex_ = 0;  // digits still to come
  uint32_t unit_ = 0;  // the UTF-16 unit that is being read
  uint32_t high_ = 0;  // a high surrogate that waits for its low one
};

// The text of a whole JSON string, without its quotes.
std::string unescape_json(std::string_view text);

}  // namespace quern::answer
