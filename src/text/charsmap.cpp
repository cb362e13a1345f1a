#include "text/charsmap.h"

#include <fmt/format.h>

#include "base/bytes.h"

namespace quern {

namespace {

// A unit of the double array. Bits 0-7: the byte that leads here, with bit 31 clear; bit 8: a value
// hangs below; bits 10-30: the offset to the children, times 256 when bit 9 is set. A value unit
// has bit 31 set and the value below it.
constexpr uint32_t kValueBit = 1U << 31;

constexpr uint32_t label(uint32_t unit) {
  return unit & (kValueBit | 0xFF);
}
constexpr bool has_value(uint32_t unit) {
  return ((unit >> 8) & 1) != 0;
}
constexpr uint32_t offset(uint32_t unit) {
  return (unit >> 10) << ((unit & (1U << 9)) >> 6);
}

Error broken(std::string what, std::string expected) {
  return {.where = "tokenizer",
          .what = "precompiled_charsmap " + std::move(what),
          .expected = std::move(expected)};
}

Status check_replacements(std::string_view replacements) {
  if (replacements.empty() || replacements.back() != '\0') {
    return fail(broken("ends inside a replacement", "a zero byte after each"));
  }
  size_t begin = 0;
  while (begin < replacements.size()) {
    const size_t end = replacements.find('\0', begin);
    if (end - begin > Charsmap::kMaxReplacementBytes) {
      return fail(broken(fmt::format("has a replacement of {} bytes", end - begin),
                         fmt::format("at most {}", Charsmap::kMaxReplacementBytes)));
    }
    begin = end + 1;
  }
  return {};
}

}  // namespace

Result<Charsmap> Charsmap::parse(std::span<const std::byte> bytes) {
  Charsmap map;
  if (bytes.empty()) {
    return map;
  }
  if (bytes.size() < sizeof(uint32_t)) {
    return fail(broken(fmt::format("has {} bytes", bytes.size()), "a 4-byte length first"));
  }
  const auto n_array_bytes = load_le<uint32_t>(bytes.data());
  const auto body = bytes.subspan(sizeof(uint32_t));
  if (n_array_bytes % sizeof(uint32_t) != 0 || n_array_bytes == 0 || n_array_bytes >= body.size()) {
    return fail(broken(fmt::format("says its array has {} of {} bytes", n_array_bytes, body.size()),
                       "a multiple of 4 that leaves room for the replacements"));
  }
  for (size_t i = 0; i < n_array_bytes; i += sizeof(uint32_t)) {
    map.units_.push_back(load_le<uint32_t>(body.data() + i));
  }
  const auto rest = body.subspan(n_array_bytes);
  map.replacements_.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
  QUERN_TRY(check_replacements(map.replacements_));
  return map;
}

std::string_view Charsmap::replacement_at(uint32_t at) const {
  const std::string_view rest = std::string_view(replacements_).substr(at);
  return rest.substr(0, rest.find('\0'));
}

Charsmap::Match Charsmap::longest_prefix(std::string_view text) const {
  Match best;
  if (units_.empty()) {
    return best;
  }
  uint32_t node = offset(units_[0]);
  for (size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label(units_[node]) != byte) {
      break;
    }
    const bool ends_here = has_value(units_[node]);
    node ^= offset(units_[node]);
    if (!ends_here) {
      continue;
    }
    const uint32_t at = node < units_.size() ? units_[node] & ~kValueBit : kValueBit;
    if (at >= replacements_.size()) {
      break;
    }
    best = {i + 1, replacement_at(at)};
  }
  return best;
}

}  // namespace quern
