#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

namespace quern {
namespace {

// By utf8proc_category_t: Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So
// Zs Zl Zp Cc Cf Cs Co.
constexpr std::array<CharClass, 30> kByCategory = {0,
                                                   kUpper,
                                                   kLower,
                                                   kUpper,
                                                   kOtherLetter,
                                                   kOtherLetter,
                                                   kMark,
                                                   kMark,
                                                   kMark,
                                                   kDecimal,
                                                   kOtherNumber,
                                                   kOtherNumber,
                                                   kPunct | kConnector,
                                                   kPunct,
                                                   kPunct,
                                                   kPunct,
                                                   kPunct,
                                                   kPunct,
                                                   kPunct,
                                                   kSymbol,
                                                   kSymbol,
                                                   kSymbol,
                                                   kSymbol,
                                                   kSpace,
                                                   kSpace,
                                                   kSpace,
                                                   0,
                                                   0,
                                                   0,
                                                   0};

struct Range {
  uint32_t first;
  uint32_t last;
};

constexpr Range kHan[] = {
    {0x2E80, 0x2E99},   {0x2E9B, 0x2EF3},   {0x2F00, 0x2FD5},   {0x3005, 0x3005},
    {0x3007, 0x3007},   {0x3021, 0x3029},   {0x3038, 0x303B},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xF900, 0xFA6D},   {0xFA70, 0xFAD9},   {0x16FE2, 0x16FE3},
    {0x16FF0, 0x16FF1}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B739}, {0x2B740, 0x2B81D},
    {0x2B820, 0x2CEA1}, {0x2CEB0, 0x2EBE0}, {0x2EBF0, 0x2EE5D}, {0x2F800, 0x2FA1D},
    {0x30000, 0x3134A}, {0x31350, 0x323AF}};

// How many continuation bytes follow a lead byte, and where the first of them must lie; the
// narrowed bounds refuse overlong forms, surrogates and what is beyond U+10FFFF.
struct Lead {
  uint32_t n_continuations;
  unsigned char low;
  unsigned char high;
};

Lead lead_of(unsigned char byte) {
  if (byte >= 0xC2 && byte <= 0xDF) {
    return {1, 0x80, 0xBF};
  }
  if (byte >= 0xE0 && byte <= 0xEF) {
    return {2, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF)};
  }
  if (byte >= 0xF0 && byte <= 0xF4) {
    return {3, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80),
            static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF)};
  }
  return {0, 0, 0};
}

}  // namespace

namespace detail {

CharClass class_beyond_ascii(uint32_t code_point) {
  if (code_point == 0x85) {
    return kSpace;  // the one control beyond ASCII with White_Space
  }
  const auto category =
      static_cast<size_t>(utf8proc_category(static_cast<utf8proc_int32_t>(code_point)));
  return kByCategory[category];
}

Char decode_beyond_ascii(const char* at, const char* end) {
  const auto lead_byte = static_cast<unsigned char>(*at);
  const Lead lead = lead_of(lead_byte);
  constexpr Char ill_formed{kReplacement, 1};
  if (lead.n_continuations == 0 || end - at <= static_cast<ptrdiff_t>(lead.n_continuations)) {
    return ill_formed;
  }
  const auto second = static_cast<unsigned char>(at[1]);
  if (second < lead.low || second > lead.high) {
    return ill_formed;
  }
  uint32_t code_point = lead_byte & (0x3FU >> lead.n_continuations);
  code_point = (code_point << 6) | (second & 0x3FU);
  for (uint32_t i = 2; i <= lead.n_continuations; ++i) {
    const auto byte = static_cast<unsigned char>(at[i]);
    if ((byte & 0xC0U) != 0x80) {
      return ill_formed;
    }
    code_point = (code_point << 6) | (byte & 0x3FU);
  }
  return {code_point, lead.n_continuations + 1};
}

}  // namespace detail

void append_utf8(uint32_t code_point, std::string& out) {
  const auto tail = [&](int shift) {
    return static_cast<char>(0x80U | ((code_point >> shift) & 0x3FU));
  };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0U | (code_point >> 6)));
    out.push_back(tail(0));
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0U | (code_point >> 12)));
    out.push_back(tail(6));
    out.push_back(tail(0));
  } else {
    out.push_back(static_cast<char>(0xF0U | (code_point >> 18)));
    out.push_back(tail(12));
    out.push_back(tail(6));
    out.push_back(tail(0));
  }
}

bool is_han(uint32_t code_point) {
  const auto* const range = std::ranges::lower_bound(kHan, code_point, {}, &Range::last);
  return range != std::end(kHan) && range->first <= code_point;
}

}  // namespace quern
