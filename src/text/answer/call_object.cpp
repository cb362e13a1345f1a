#include "text/answer/call_object.h"

#include <algorithm>
#include <string_view>

#include "text/answer/json_text.h"

namespace quern::answer {

namespace {

constexpr size_t kMaxKeyBytes = 32;  // longer than any key below

bool is_arguments_key(std::string_view key) {
  return key == "\"arguments\"" || key == "\"parameters\"";
}

// "type" and "id" stand beside them in some models' calls.
bool is_usual_key(std::string_view key) {
  return is_arguments_key(key) || key == "\"name\"" || key == "\"type\"" || key == "\"id\"";
}

}  // namespace

struct CallObject::Before {
  uint32_t depth;
  bool expects_value;
  bool in_key;
  bool in_number;
};

CallObject::Step CallObject::push(char c, AnswerWriter& writer) {
  const Before before{scanner_.depth(), scanner_.expects_value(), scanner_.in_key(),
                      scanner_.in_number()};
  if (!scanner_.push(c) || !read(c, before, writer)) {
    return Step::bad;
  }
  if (scanner_.complete()) {
    return complete(writer) ? Step::complete : Step::bad;
  }
  if (has_begun_) {
    writer.commit();
  }
  return Step::more;
}

bool CallObject::read(char c, const Before& before, AnswerWriter& writer) {
  if (in_value_) {
    // A number ends with the byte after it.
    const bool is_past = before.depth == 1 && before.in_number && !scanner_.in_number();
    return is_past ? end_value(writer) : push_value(c, writer);
  }
  if (before.depth != 1) {
    return true;
  }
  if (before.in_key || scanner_.in_key()) {
    return push_key(c);
  }
  return !before.expects_value || is_json_space(c) || begin_value(c, writer);
}

bool CallObject::push_key(char c) {
  if (key_.size() < kMaxKeyBytes) {
    key_ += c;
  }
  return scanner_.in_key() || !rules_.usual_keys_only || is_usual_key(key_);
}

// Of a member that comes twice, the first counts.
bool CallObject::begin_value(char c, AnswerWriter& writer) {
  member_ = Member::other;
  if (key_ == "\"name\"" && !name_) {
    member_ = Member::name;
    if (c != '"') {
      return false;
    }
  } else if (is_arguments_key(key_) && !saw_arguments_) {
    member_ = Member::arguments;
    saw_arguments_ = true;
    if (name_ && !begin_call(writer)) {
      return false;
    }
  }
  key_.clear();
  in_value_ = true;
  return push_value(c, writer);
}

bool CallObject::push_value(char c, AnswerWriter& writer) {
  if (member_ == Member::name) {
    raw_name_ += c;
  } else if (member_ == Member::arguments) {
    text_.push(c, arguments_);
  }
  const bool is_over = scanner_.depth() == 1 && scanner_.after_value();
  if (is_over) {
    return end_value(writer);
  }
  if (has_begun_) {
    writer.arguments(arguments_);
    arguments_.clear();
  }
  return true;
}

bool CallObject::end_value(AnswerWriter& writer) {
  in_value_ = false;
  if (member_ == Member::name) {
    name_ = unescape_json(std::string_view(raw_name_).substr(1, raw_name_.size() - 2));
    const bool any = rules_.names == nullptr || rules_.names->empty();
    if (name_->empty() || !(any || std::ranges::count(*rules_.names, *name_) > 0)) {
      return false;
    }
    if (saw_arguments_ && !begin_call(writer)) {
      return false;
    }
  } else if (member_ == Member::arguments) {
    text_.finish(arguments_);
    has_arguments_ = true;
  }
  if (has_begun_) {
    writer.arguments(arguments_);
    arguments_.clear();
  }
  return true;
}

bool CallObject::begin_call(AnswerWriter& writer) {
  has_begun_ = writer.begin_call(*name_);
  return has_begun_;
}

bool CallObject::complete(AnswerWriter& writer) {
  if (!has_begun_) {
    if (!name_ || rules_.needs_arguments || !begin_call(writer)) {
      return false;
    }
    writer.arguments("{}");
  }
  writer.end_call();
  return true;
}

void CallObject::abandon(AnswerWriter& writer) {
  if (!has_arguments_) {
    text_.abandon(arguments_);
  }
  writer.arguments(arguments_);
  arguments_.clear();
}

}  // namespace quern::answer
