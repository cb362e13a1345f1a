#include "text/answer/arguments_text.h"

#include <algorithm>

namespace quern::answer {

void ArgumentsText::push(char c, std::string& out) {
  switch (mode_) {
    case Mode::start:
      begin(c, out);
      break;
    case Mode::json:
      put(c, out);
      break;
    case Mode::null:
      raw_ += c;
      break;
    case Mode::undecided:
      push_undecided(c, out);
      break;
    case Mode::quoted:
      if (c == '"' && !unescaper_.in_escape()) {
        break;  // the end of the string
      }
      decoded_.clear();
      unescaper_.push(c, decoded_);
      for (const char inner : decoded_) {
        put(inner, out);
      }
      break;
  }
}

void ArgumentsText::begin(char c, std::string& out) {
  if (c == 'n' || c == '"') {
    mode_ = c == 'n' ? Mode::null : Mode::undecided;
    raw_ = c;
    return;
  }
  mode_ = Mode::json;
  put(c, out);
}

void ArgumentsText::push_undecided(char c, std::string& out) {
  raw_ += c;
  if (c == '"' && !unescaper_.in_escape()) {
    return;  // finish() comes next
  }
  unescaper_.push(c, decoded_);
  if (unescaper_.in_escape() || std::ranges::all_of(decoded_, is_json_space)) {
    return;
  }
  const bool is_object = decoded_[decoded_.find_first_not_of(" \t\r\n")] == '{';
  mode_ = is_object ? Mode::quoted : Mode::json;
  for (const char kept : is_object ? decoded_ : raw_) {
    put(kept, out);
  }
  raw_.clear();
}

void ArgumentsText::put(char c, std::string& out) {
  const bool escapes = is_control(c) && scanner_.in_string();
  is_json_ = is_json_ && scanner_.push(c);
  if (is_json_ && escapes) {
    append_json_escaped(out, c);
  } else {
    out += c;
  }
}

void ArgumentsText::finish(std::string& out) {
  if (mode_ == Mode::null || mode_ == Mode::undecided) {
    unescaper_.finish(decoded_);  // half a surrogate pair is no white space
    out += std::ranges::all_of(decoded_, is_json_space) ? "{}" : raw_;
    raw_.clear();
  } else if (mode_ == Mode::quoted) {
    unescaper_.finish(out);
  }
}

void ArgumentsText::abandon(std::string& out) {
  out += raw_;
  raw_.clear();
  mode_ = Mode::json;
}

}  // namespace quern::answer
