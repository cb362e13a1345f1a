// TextBuilder: a text that grows within the memory of a render. Every byte is paid for, and its
// room is checked, before it is written. One thread; it must not outlive its Runtime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/runtime.h"

namespace quern::jinja {

class TextBuilder {
 public:
  explicit TextBuilder(Runtime& runtime) : held_(runtime) {}

  Status append(std::string_view text) {
    if (text.size() > text_.capacity() - text_.size()) {
      QUERN_TRY(grow(text.size()));
    }
    QUERN_TRY(runtime().spend(cost::copy(text.size())));
    text_ += text;
    return {};
  }
  // `unit` n times.
  Status fill(std::string_view unit, uint64_t n);

  Runtime& runtime() const { return held_.runtime(); }
  size_t size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }
  std::string_view view() const { return text_; }
  // The text, which from now on nobody accounts for.
  std::string take();
  // The text as a value; the builder is empty afterwards.
  Result<Value> value(bool markup = false);

 private:
  Status grow(uint64_t n_bytes);

  MemoryHold held_;
  std::string text_;
};

}  // namespace quern::jinja
