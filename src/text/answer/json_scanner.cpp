#include "text/answer/json_scanner.h"

namespace quern::answer {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

bool JsonScanner::push(char c) {
  if (in_text()) {
    return push_text(c);
  }
  if (state_ == State::literal) {
    return push_literal(c);
  }
  return in_number() ? push_number(c) : push_structure(c);
}

bool JsonScanner::push_text(char c) {
  if (state_ == State::string) {
    if (c == '"') {
      state_ = is_key_ ? State::colon : State::after_value;
    } else if (c == '\\') {
      state_ = State::escape;
    } else {
      saw_control_ |= is_control(c);
    }
    return true;
  }
  if (state_ == State::escape) {
    n_hex_ = c == 'u' ? 4 : 0;
    state_ = c == 'u' ? State::hex : State::string;
    return std::string_view("\"\\/bfnrtu").contains(c);
  }
  if (--n_hex_ == 0) {
    state_ = State::string;
  }
  return is_hex_digit(c);
}

bool JsonScanner::push_literal(char c) {
  if (c != literal_.front()) {
    return false;
  }
  literal_.remove_prefix(1);
  if (literal_.empty()) {
    state_ = State::after_value;
  }
  return true;
}

bool JsonScanner::may_end_number() const {
  return state_ == State::zero || state_ == State::digits || state_ == State::fraction ||
         state_ == State::exponent_digits;
}

bool JsonScanner::push_digit(char c) {
  switch (state_) {
    case State::minus:
      state_ = c == '0' ? State::zero : State::digits;
      return true;
    case State::zero:
      return false;
    case State::point:
      state_ = State::fraction;
      return true;
    case State::exponent:
    case State::exponent_sign:
      state_ = State::exponent_digits;
      return true;
    default:
      return true;
  }
}

bool JsonScanner::push_number(char c) {
  if (is_digit(c)) {
    return push_digit(c);
  }
  const bool whole = state_ == State::zero || state_ == State::digits;
  if (c == '.' && whole) {
    state_ = State::point;
    return true;
  }
  if ((c == 'e' || c == 'E') && (whole || state_ == State::fraction)) {
    state_ = State::exponent;
    return true;
  }
  if ((c == '+' || c == '-') && state_ == State::exponent) {
    state_ = State::exponent_sign;
    return true;
  }
  if (!may_end_number()) {
    return false;
  }
  state_ = State::after_value;
  return push_structure(c);
}

bool JsonScanner::push_structure(char c) {
  if (is_json_space(c)) {
    return true;
  }
  switch (state_) {
    case State::first_item:
      return c == ']' ? close(false) : begin_value(c);
    case State::value:
      return begin_value(c);
    case State::first_key:
      return c == '}' ? close(true) : c == '"' && begin_string(true);
    case State::key:
      return c == '"' && begin_string(true);
    case State::colon:
      state_ = State::value;
      return c == ':';
    default:
      break;
  }
  if (depth_ == 0) {
    return false;
  }
  if (c == ',') {
    state_ = in_object() ? State::key : State::value;
    return true;
  }
  return (c == '}' || c == ']') && close(c == '}');
}

bool JsonScanner::begin_value(char c) {
  switch (c) {
    case '"':
      return begin_string(false);
    case '{':
      return open(true);
    case '[':
      return open(false);
    case 't':
      literal_ = "rue";
      break;
    case 'f':
      literal_ = "alse";
      break;
    case 'n':
      literal_ = "ull";
      break;
    case '-':
      state_ = State::minus;
      return true;
    default:
      state_ = c == '0' ? State::zero : State::digits;
      return is_digit(c);
  }
  state_ = State::literal;
  return true;
}

bool JsonScanner::begin_string(bool is_key) {
  is_key_ = is_key;
  state_ = State::string;
  return true;
}

bool JsonScanner::open(bool is_object) {
  if (depth_ == kMaxDepth) {
    return false;
  }
  const uint64_t bit = uint64_t{1} << depth_;
  kinds_ = is_object ? kinds_ | bit : kinds_ & ~bit;
  ++depth_;
  state_ = is_object ? State::first_key : State::first_item;
  return true;
}

bool JsonScanner::close(bool is_object) {
  if (in_object() != is_object) {
    return false;
  }
  --depth_;
  state_ = State::after_value;
  return true;
}

}  // namespace quern::answer
