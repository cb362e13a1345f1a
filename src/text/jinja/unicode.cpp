#include "text/jinja/unicode.h"

#include <algorithm>
#include <array>
#include <utility>

#include <utf8proc.h>

namespace quern::jinja {

namespace {

utf8proc_int32_t signed_code(char32_t c) {
  return static_cast<utf8proc_int32_t>(c);
}

// Whether a sequence's first two bytes can begin a code point: no longer form than needed, no
// surrogate, nothing beyond U+10FFFF.
bool valid_start(unsigned char first, unsigned char second) {
  switch (first) {
    case 0xE0:
      return second >= 0xA0;
    case 0xED:
      return second <= 0x9F;
    case 0xF0:
      return second >= 0x90;
    case 0xF4:
      return second <= 0x8F;
    default:
      return first >= 0xC2 && first <= 0xF4;
  }
}

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// Length of a valid sequence at `at`, else 0.
size_t valid_length(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) {
    return 1;
  }
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  const std::string_view tail = text.substr(at + 1, length - 1);
  const bool whole = tail.size() == length - 1 && std::all_of(tail.begin(), tail.end(), continues);
  return whole && valid_start(first, static_cast<unsigned char>(tail[0])) ? length : 0;
}

}  // namespace

size_t char_bytes(std::string_view text, size_t at) {
  return std::max<size_t>(1, valid_length(text, at));
}

size_t count_chars(std::string_view text) {
  size_t n_high = 0;
  for (const char c : text) {
    n_high += static_cast<unsigned char>(c) >> 7;
  }
  if (n_high == 0) {
    return text.size();
  }
  size_t n = 0;
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    ++n;
  }
  return n;
}

bool valid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = valid_length(text, at);
    if (length == 0) {
      return false;
    }
    at += length;
  }
  return true;
}

char32_t char_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[i]));
  };
  switch (valid_length(text, at)) {
    case 1:
      return byte(at);
    case 2:
      return (byte(at) & 0x1F) << 6 | (byte(at + 1) & 0x3F);
    case 3:
      return (byte(at) & 0x0F) << 12 | (byte(at + 1) & 0x3F) << 6 | (byte(at + 2) & 0x3F);
    case 4:
      return (byte(at) & 0x07) << 18 | (byte(at + 1) & 0x3F) << 12 | (byte(at + 2) & 0x3F) << 6 |
             (byte(at + 3) & 0x3F);
    default:
      return 0xDC00 + byte(at);
  }
}

void append_char(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c >= 0xDC80 && c <= 0xDCFF) {
    out += static_cast<char>(c - 0xDC00);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

size_t char_offset(std::string_view text, size_t n) {
  size_t at = 0;
  while (n > 0 && at < text.size()) {
    at += char_bytes(text, at);
    --n;
  }
  return at;
}

// The characters for which Python's str.isspace() holds.
bool is_space(char32_t c) {
  if (c < 0x80) {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
  }
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_alpha(char32_t c) {
  const auto category = utf8proc_category(signed_code(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t c) {
  return utf8proc_category(signed_code(c)) == UTF8PROC_CATEGORY_ND;
}

bool is_numeric(char32_t c) {
  const auto category = utf8proc_category(signed_code(c));
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool is_upper(char32_t c) {
  return utf8proc_category(signed_code(c)) == UTF8PROC_CATEGORY_LU;
}

bool is_lower(char32_t c) {
  return utf8proc_category(signed_code(c)) == UTF8PROC_CATEGORY_LL;
}

bool is_title(char32_t c) {
  return utf8proc_category(signed_code(c)) == UTF8PROC_CATEGORY_LT;
}

bool is_printable(char32_t c) {
  if (c == ' ') {
    return true;
  }
  switch (utf8proc_category(signed_code(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

namespace {

struct Expansion {
  char32_t from;
  std::string_view upper;
  std::string_view title;
};

// The characters of Unicode's SpecialCasing.txt that turn into several, without the Greek ones with
// iota subscript.
constexpr std::array<Expansion, 9> kExpansions = {{{0xDF, "SS", "Ss"},
                                                   {0x149, "ʼN", "ʼN"},
                                                   {0xFB00, "FF", "Ff"},
                                                   {0xFB01, "FI", "Fi"},
                                                   {0xFB02, "FL", "Fl"},
                                                   {0xFB03, "FFI", "Ffi"},
                                                   {0xFB04, "FFL", "Ffl"},
                                                   {0xFB05, "ST", "St"},
                                                   {0xFB06, "ST", "St"}}};

const Expansion* expansion(char32_t c) {
  const auto* it = std::find_if(kExpansions.begin(), kExpansions.end(),
                                [&](const Expansion& e) { return e.from == c; });
  return it == kExpansions.end() ? nullptr : it;
}

void append_upper(std::string& out, char32_t c) {
  if (const Expansion* e = expansion(c)) {
    out += e->upper;
    return;
  }
  append_char(out, static_cast<char32_t>(utf8proc_toupper(signed_code(c))));
}

void append_title(std::string& out, char32_t c) {
  if (const Expansion* e = expansion(c)) {
    out += e->title;
    return;
  }
  append_char(out, static_cast<char32_t>(utf8proc_totitle(signed_code(c))));
}

bool cased_at(std::string_view text, size_t at) {
  return at < text.size() && is_cased(char_at(text, at));
}

// Lower case of the character at `at`; a capital sigma that ends a word becomes a final one.
void append_lower(std::string& out, std::string_view text, size_t at) {
  const char32_t c = char_at(text, at);
  if (c == 0x130) {
    out += "i\xCC\x87";
  } else if (c == 0x3A3) {
    size_t before = at;
    while (before > 0) {
      --before;
      if (!continues(text[before])) {
        break;
      }
    }
    const bool ends =
        at > 0 && cased_at(text, before) && !cased_at(text, at + char_bytes(text, at));
    append_char(out, ends ? 0x3C2 : 0x3C3);
  } else {
    append_char(out, static_cast<char32_t>(utf8proc_tolower(signed_code(c))));
  }
}

}  // namespace

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    append_upper(out, char_at(text, at));
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    append_lower(out, text, at);
  }
  return out;
}

std::string to_capitalized(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    if (at == 0) {
      append_title(out, char_at(text, at));
    } else {
      append_lower(out, text, at);
    }
  }
  return out;
}

std::string to_title(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool inside = false;
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    const char32_t c = char_at(text, at);
    if (inside) {
      append_lower(out, text, at);
    } else {
      append_title(out, c);
    }
    inside = is_cased(c);
  }
  return out;
}

std::string to_casefold(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    const char32_t c = char_at(text, at);
    const Expansion* e = expansion(c);
    if (e != nullptr) {
      out += to_lower(e->upper);
    } else {
      append_char(out,
                  c == 0x3C2 ? 0x3C3 : static_cast<char32_t>(utf8proc_tolower(signed_code(c))));
    }
  }
  return out;
}

std::string swap_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    const char32_t c = char_at(text, at);
    if (is_upper(c)) {
      append_lower(out, text, at);
    } else if (is_lower(c)) {
      append_upper(out, c);
    } else {
      append_char(out, c);
    }
  }
  return out;
}

std::string_view strip(std::string_view text, Side side, const std::string_view* chars) {
  const auto strips = [&](std::string_view character) {
    return chars != nullptr ? chars->find(character) != std::string_view::npos
                            : is_space(char_at(character, 0));
  };
  while (side != Side::right && !text.empty()) {
    const size_t length = char_bytes(text, 0);
    if (!strips(text.substr(0, length))) {
      break;
    }
    text.remove_prefix(length);
  }
  while (side != Side::left && !text.empty()) {
    size_t length = 1;
    while (length < std::min<size_t>(4, text.size()) &&
           (static_cast<unsigned char>(text[text.size() - length]) & 0xC0) == 0x80) {
      ++length;
    }
    if (char_bytes(text, text.size() - length) != length) {
      length = 1;
    }
    if (!strips(text.substr(text.size() - length))) {
      break;
    }
    text.remove_suffix(length);
  }
  return text;
}

}  // namespace quern::jinja
