#include "text/jinja/text_builder.h"

#include <algorithm>
#include <utility>

namespace quern::jinja {

Status TextBuilder::grow(uint64_t n_bytes) {
  // The old and the new text exist side by side for a moment.
  const uint64_t wanted = saturating_add(text_.size(), n_bytes);
  QUERN_TRY(runtime().reserve(wanted));
  const uint64_t doubled = 2 * static_cast<uint64_t>(text_.capacity());
  const bool doubles = doubled > wanted && runtime().reserve(doubled).has_value();
  QUERN_TRY(runtime().spend(cost::copy(text_.size())));
  text_.reserve(doubles ? doubled : wanted);
  return held_.set(text_.capacity());
}

Status TextBuilder::fill(std::string_view unit, uint64_t n) {
  uint64_t n_bytes = 0;
  if (__builtin_mul_overflow(unit.size(), n, &n_bytes)) {
    n_bytes = UINT64_MAX;
  }
  if (n_bytes == 0) {
    return {};
  }
  if (n_bytes > text_.capacity() - text_.size()) {
    QUERN_TRY(grow(n_bytes));
  }
  if (unit.size() == 1) {
    QUERN_TRY(runtime().spend(cost::copy(n_bytes)));
    text_.append(n, unit.front());
    return {};
  }
  QUERN_TRY(runtime().spend(cost::copy(n_bytes) + n * (cost::kItem / 2)));
  for (uint64_t i = 0; i < n; ++i) {
    text_ += unit;
  }
  return {};
}

std::string TextBuilder::take() {
  held_.release();
  return std::exchange(text_, {});
}

Result<Value> TextBuilder::value(bool markup) {
  Runtime& owner = runtime();
  return owner.string(take(), markup);
}

}  // namespace quern::jinja
