#include "text/answer/call_arguments.h"

namespace quern::answer {

bool RawArguments::push(char c, Markers closers, AnswerWriter& writer) {
  std::string text;
  const bool closed = until_.push(c, closers, text) >= 0;
  writer.arguments(text);
  writer.commit();
  if (closed) {
    writer.end_call();
  }
  return closed;
}

void RawArguments::finish(AnswerWriter& writer) {
  writer.arguments(until_.take_rest());
  writer.end_call();
}

CallArguments::Step CallArguments::push(char c, Markers closers, AnswerWriter& writer) {
  std::string text;
  if (!is_raw_ && !scanner_.push(c)) {
    is_raw_ = true;
    text_.abandon(text);
    writer.arguments(text);
  }
  if (is_raw_) {
    return raw_.push(c, closers, writer) ? Step::closed : Step::more;
  }
  text_.push(c, text);
  const bool complete = scanner_.complete();
  if (complete) {
    text_.finish(text);
  }
  writer.arguments(text);
  writer.commit();
  if (complete) {
    writer.end_call();
  }
  return complete ? Step::complete : Step::more;
}

void CallArguments::finish(AnswerWriter& writer) {
  std::string text;
  text_.abandon(text);
  writer.arguments(text);
  raw_.finish(writer);
}

}  // namespace quern::answer
