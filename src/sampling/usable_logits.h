// Damaged weights give logits that are no numbers; what is computed from these must not pass for a
// result.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "base/result.h"

namespace quern {

// -inf is a logit: a token that never comes.
inline bool are_usable(std::span<const float> logits) {
  return std::ranges::none_of(logits, [](float x) { return std::isnan(x) || x == INFINITY; });
}

inline std::unexpected<Error> unusable_logits(std::string where) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = std::move(where),
               .what = "the model computes logits that are NaN or +inf",
               .expected = "finite logits; the model's weights may be damaged"});
}

}  // namespace quern
