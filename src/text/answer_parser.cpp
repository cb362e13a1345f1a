#include "text/answer_parser.h"

#include <algorithm>
#include <utility>

#include "text/answer/answer_writer.h"
#include "text/answer/call_parser.h"
#include "text/answer/json_scanner.h"
#include "text/answer/markers.h"

namespace quern {

using answer::AnswerWriter;
using answer::CallParser;
using answer::is_json_space;
using answer::Took;

// Byte by byte, so that where the text is cut cannot matter.
class AnswerParser::Impl {
 public:
  explicit Impl(AnswerFormat format);

  void push(std::string_view text, std::vector<AnswerDelta>& out);
  void finish(std::vector<AnswerDelta>& out);
  bool saw_tool_call() const { return writer_.n_calls() > 0; }

 private:
  enum class Skip : uint8_t { nothing, newlines, space };

  bool has_think() const { return !format_.think_open.empty() && !format_.think_close.empty(); }
  bool is_plain() const { return markers_.empty() && !awaits_object(); }
  // The llama3 style's calls without a marker.
  bool awaits_object() const {
    return format_.tools == ToolStyle::llama3 && is_fresh_ && !in_reasoning_;
  }
  void choose_markers();
  void take(char c);
  void take_text(char c);
  void take_literal(char c);
  void take_space(char c);
  void take_marker(int found);
  void take_call(char c);
  void begin_calls(int opener);
  void end_calls();
  void abandon_calls();
  AnswerDelta::Kind kind() const {
    return in_reasoning_ ? AnswerDelta::Kind::reasoning : AnswerDelta::Kind::content;
  }

  AnswerFormat format_;
  AnswerWriter writer_;
  std::unique_ptr<CallParser> calls_;      // while in them
  std::vector<std::string_view> markers_;  // that may come now: the think markers, then
  size_t n_think_markers_ = 0;             // those of the calls
  std::string partial_;                    // the beginning of a marker
  Skip skip_ = Skip::nothing;              // of the white space to come
  bool in_reasoning_ = false;
  bool is_fresh_ = true;   // nothing but white space so far in this part of the answer
  bool may_think_ = true;  // think_open has its meaning: only once, and only at the start
};

AnswerParser::Impl::Impl(AnswerFormat format) : format_(std::move(format)) {
  in_reasoning_ = has_think() && format_.starts_in_reasoning;
  skip_ = in_reasoning_ ? Skip::space : Skip::nothing;
  choose_markers();
}

void AnswerParser::Impl::choose_markers() {
  markers_.clear();
  // Within reasoning too: some models write it although the prompt did.
  if (has_think() && may_think_ && is_fresh_) {
    markers_.emplace_back(format_.think_open);
  }
  if (in_reasoning_) {
    markers_.emplace_back(format_.think_close);
  }
  n_think_markers_ = markers_.size();
  if (!in_reasoning_ && !writer_.is_full()) {
    const answer::Markers openers = answer::call_openers(format_.tools);
    markers_.insert(markers_.end(), openers.begin(), openers.end());
  }
}

void AnswerParser::Impl::push(std::string_view text, std::vector<AnswerDelta>& out) {
  writer_.set_out(out);
  for (const char c : text) {
    take(c);
  }
}

void AnswerParser::Impl::take(char c) {
  if (calls_) {
    take_call(c);
  } else {
    take_text(c);
  }
}

void AnswerParser::Impl::take_text(char c) {
  if (partial_.empty() && c == '{' && awaits_object()) {
    begin_calls(0);
    take_call(c);
    return;
  }
  partial_ += c;
  while (!partial_.empty()) {
    const int found = answer::match_marker(partial_, markers_);
    if (found >= 0) {
      take_marker(found);
    }
    if (found != answer::kNoMarker) {
      return;
    }
    const char first = partial_.front();
    partial_.erase(0, 1);
    take_literal(first);
  }
}

// One byte that is no part of a marker.
void AnswerParser::Impl::take_literal(char c) {
  if (is_json_space(c)) {
    take_space(c);
    return;
  }
  skip_ = Skip::nothing;
  if (std::exchange(is_fresh_, false)) {
    may_think_ = false;
    choose_markers();
  }
  writer_.text(kind(), std::exchange(writer_.space, {}));
  writer_.text(kind(), {&c, 1});
}

void AnswerParser::Impl::take_space(char c) {
  if (skip_ == Skip::space || (skip_ == Skip::newlines && c == '\n')) {
    return;
  }
  skip_ = Skip::nothing;
  // A marker may follow, which the white space would be dropped for.
  writer_.space += c;
  if (is_plain() || writer_.space.size() > kMaxHeldBytes) {
    writer_.text(kind(), std::exchange(writer_.space, {}));
  }
}

void AnswerParser::Impl::take_marker(int found) {
  const std::string marker = std::exchange(partial_, {});
  if (static_cast<size_t>(found) >= n_think_markers_) {
    begin_calls(found - static_cast<int>(n_think_markers_));
    writer_.held = marker;
    return;
  }
  writer_.space.clear();
  const bool opens = marker == format_.think_open && may_think_ && is_fresh_;
  may_think_ = false;
  in_reasoning_ = opens;
  is_fresh_ = true;
  skip_ = opens ? Skip::space : Skip::newlines;
  choose_markers();
}

void AnswerParser::Impl::begin_calls(int opener) {
  calls_ = answer::make_call_parser(format_, opener);
  writer_.held.clear();
}

void AnswerParser::Impl::take_call(char c) {
  writer_.held += c;
  const Took took = calls_->push(c, writer_);
  if (took == Took::last) {
    end_calls();
  } else if (took == Took::nothing) {
    writer_.held.pop_back();
    abandon_calls();
    take_text(c);
  } else if (writer_.held.size() > kMaxHeldBytes) {
    calls_->finish(writer_);
    abandon_calls();
  }
}

void AnswerParser::Impl::end_calls() {
  calls_.reset();
  if (saw_tool_call()) {
    skip_ = Skip::space;
    is_fresh_ = false;
    may_think_ = false;
  }
  choose_markers();
}

// What is held is content. It is not searched for markers again, which keeps the work linear.
void AnswerParser::Impl::abandon_calls() {
  end_calls();
  for (const char c : std::exchange(writer_.held, {})) {
    take_literal(c);
  }
}

void AnswerParser::Impl::finish(std::vector<AnswerDelta>& out) {
  writer_.set_out(out);
  if (calls_) {
    calls_->finish(writer_);
    abandon_calls();
  }
  for (const char c : std::exchange(partial_, {})) {
    take_literal(c);
  }
  writer_.text(kind(), std::exchange(writer_.space, {}));
}

AnswerParser::AnswerParser(AnswerFormat format)
    : impl_(std::make_unique<Impl>(std::move(format))) {}
AnswerParser::~AnswerParser() = default;
AnswerParser::AnswerParser(AnswerParser&&) noexcept = default;
AnswerParser& AnswerParser::operator=(AnswerParser&&) noexcept = default;

void AnswerParser::push(std::string_view text, std::vector<AnswerDelta>& out) {
  impl_->push(text, out);
}

void AnswerParser::finish(std::vector<AnswerDelta>& out) {
  impl_->finish(out);
}

bool AnswerParser::saw_tool_call() const {
  return impl_->saw_tool_call();
}

}  // namespace quern
