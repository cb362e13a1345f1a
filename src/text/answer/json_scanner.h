// JsonScanner: follows one JSON value byte by byte (RFC 8259), at most kMaxDepth deep.
// One leniency: control characters inside a string are let through, and told by saw_control().
// Not thread-safe. Owns nothing outside itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace quern::answer {

constexpr bool is_json_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

constexpr bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20;
}

class JsonScanner {
 public:
  static constexpr uint32_t kMaxDepth = 64;  // one bit each in kinds_

  // False: no JSON value goes on with this byte. The scanner is of no use then.
  bool push(char c);

  // One whole value was read, and at most white space after it. A number at the top may go on.
  bool complete() const {
    return depth_ == 0 && (state_ == State::after_value || may_end_number());
  }
  uint32_t depth() const { return depth_; }  // of the containers that are open
  bool in_string() const { return state_ == State::string; }
  bool in_key() const { return is_key_ && in_text(); }
  bool in_number() const { return state_ >= State::minus; }
  bool expects_value() const { return state_ == State::value || state_ == State::first_item; }
  bool after_value() const { return state_ == State::after_value; }
  bool saw_control() const { return saw_control_; }

 private:
  enum class State : uint8_t {
    value,
    first_item,  // after [
    first_key,   // after {
    key,
    colon,
    after_value,
    string,
    escape,
    hex,
    literal,
    minus,  // from here on: the parts of a number
    zero,
    digits,
    point,
    fraction,
    exponent,
    exponent_sign,
    exponent_digits,
  };

  bool in_text() const {
    return state_ == State::string || state_ == State::escape || state_ == State::hex;
  }
  bool may_end_number() const;
  bool push_text(char c);
  bool push_literal(char c);
  bool push_digit(char c);
  bool push_number(char c);
  bool push_structure(char c);
  bool begin_value(char c);
  bool begin_string(bool is_key);
  bool open(bool is_object);
  bool close(bool is_object);
  bool in_object() const { return ((kinds_ >> (depth_ - 1)) & 1) != 0; }

  uint64_t kinds_ = 0;  // bit i: the container at depth i + 1 is an object
  uint32_t depth_ = 0;
  State state_ = State::value;
  uint8_t n_hex_ = 0;  // digits still to come
  bool is_key_ = false;
  bool saw_control_ = false;
  std::string_view literal_;  // what is still to come of true, false or null
};

}  // namespace quern::answer
