#include "text/jinja/text_ops.h"

#include <algorithm>
#include <cstring>

#include "text/jinja/text_builder.h"

namespace quern::jinja {

namespace {

// memmem takes time linear in both texts, where std::string_view::find multiplies them. glibc may
// compare up to 256 bytes at each place before it changes to the two-way algorithm; short texts
// cost the most for each of their bytes.
uint64_t search_cost(std::string_view text, std::string_view wanted) {
  const uint64_t n_short = std::min<uint64_t>(wanted.size(), 16);
  const uint64_t n_compared = std::min<uint64_t>(wanted.size(), 256);
  return cost::kNode + wanted.size() + text.size() * (1 + n_short / 4 + n_compared / 32);
}

size_t find_from(std::string_view text, std::string_view wanted, size_t at) {
  const void* found = memmem(text.data() + at, text.size() - at, wanted.data(), wanted.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

// Searches from the end: the algorithm of Knuth, Morris and Pratt (1977) on both texts reversed.
class ReverseSearch {
 public:
  static Result<ReverseSearch> make(Runtime& runtime, std::string_view wanted) {
    QUERN_TRY(runtime.reserve(wanted.size() * sizeof(uint32_t)));
    QUERN_TRY(runtime.spend(cost::walk(2 * wanted.size())));
    return ReverseSearch(wanted);
  }
  static uint64_t cost(std::string_view text) { return cost::walk(2 * text.size()); }

  size_t find_last(std::string_view text) const {
    size_t matched = 0;
    for (size_t at = text.size(); at-- > 0;) {
      while (matched > 0 && text[at] != from_end(matched)) {
        matched = border_[matched - 1];
      }
      matched += text[at] == from_end(matched) ? 1 : 0;
      if (matched == wanted_.size()) {
        return at;
      }
    }
    return std::string_view::npos;
  }

 private:
  explicit ReverseSearch(std::string_view wanted) : wanted_(wanted), border_(wanted.size()) {
    size_t matched = 0;
    for (size_t i = 1; i < wanted.size(); ++i) {
      while (matched > 0 && from_end(i) != from_end(matched)) {
        matched = border_[matched - 1];
      }
      matched += from_end(i) == from_end(matched) ? 1 : 0;
      border_[i] = static_cast<uint32_t>(matched);
    }
  }
  char from_end(size_t i) const { return wanted_[wanted_.size() - 1 - i]; }

  std::string_view wanted_;
  std::vector<uint32_t> border_;  // of each suffix, the longest proper part at both of its ends
};

// Parts become values of their own, so their room is checked while they are found.
class PartList {
 public:
  explicit PartList(Runtime& runtime) : runtime_(runtime) {}

  Status push(std::string_view part) {
    constexpr size_t kPartBytes = 256;  // in this list and, soon, as a value in a list
    if (parts_.size() == parts_.capacity()) {
      QUERN_TRY(runtime_.reserve(2 * parts_.capacity() * kPartBytes));
    }
    QUERN_TRY(runtime_.spend(cost::kItem));
    parts_.push_back(part);
    return {};
  }
  size_t size() const { return parts_.size(); }
  Parts take() { return std::move(parts_); }

 private:
  Runtime& runtime_;
  Parts parts_;
};

}  // namespace

Result<size_t> find_text(Runtime& runtime, std::string_view text, std::string_view wanted) {
  QUERN_TRY(runtime.spend(search_cost(text, wanted)));
  return find_from(text, wanted, 0);
}

Result<size_t> rfind_text(Runtime& runtime, std::string_view text, std::string_view wanted) {
  if (wanted.empty()) {
    return text.size();
  }
  QUERN_TRY(runtime.spend(ReverseSearch::cost(text)));
  QUERN_ASSIGN(const ReverseSearch search, ReverseSearch::make(runtime, wanted));
  return search.find_last(text);
}

Result<size_t> count_text(Runtime& runtime, std::string_view text, std::string_view wanted) {
  QUERN_TRY(runtime.spend(search_cost(text, wanted)));
  size_t n = 0;
  for (size_t at = find_from(text, wanted, 0); at != std::string_view::npos;
       at = find_from(text, wanted, at + wanted.size())) {
    QUERN_TRY(runtime.spend(cost::kItem));
    ++n;
  }
  return n;
}

Result<Parts> split_text(Runtime& runtime, std::string_view text, const Cut& cut) {
  QUERN_TRY(runtime.spend(search_cost(text, cut.separator)));
  PartList parts(runtime);
  size_t at = 0;
  while (parts.size() < cut.limit) {
    const size_t found = find_from(text, cut.separator, at);
    if (found == std::string_view::npos) {
      break;
    }
    QUERN_TRY(parts.push(text.substr(at, found - at)));
    at = found + cut.separator.size();
  }
  QUERN_TRY(parts.push(text.substr(at)));
  return parts.take();
}

Result<Parts> rsplit_text(Runtime& runtime, std::string_view text, const Cut& cut) {
  QUERN_TRY(runtime.spend(ReverseSearch::cost(text)));
  QUERN_ASSIGN(const ReverseSearch search, ReverseSearch::make(runtime, cut.separator));
  PartList parts(runtime);
  while (parts.size() < cut.limit) {
    const size_t found = search.find_last(text);
    if (found == std::string_view::npos) {
      break;
    }
    QUERN_TRY(parts.push(text.substr(found + cut.separator.size())));
    text = text.substr(0, found);
  }
  QUERN_TRY(parts.push(text));
  Parts reversed = parts.take();
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

Result<Parts> split_space(Runtime& runtime, std::string_view text, size_t limit) {
  QUERN_TRY(runtime.spend(cost::walk(2 * text.size())));
  PartList parts(runtime);
  for (text = strip(text, Side::left); !text.empty(); text = strip(text, Side::left)) {
    if (parts.size() == limit) {
      QUERN_TRY(parts.push(text));
      break;
    }
    size_t end = 0;
    while (end < text.size() && !is_space(char_at(text, end))) {
      end += char_bytes(text, end);
    }
    QUERN_TRY(parts.push(text.substr(0, end)));
    text = text.substr(end);
  }
  return parts.take();
}

Result<Parts> rsplit_space(Runtime& runtime, std::string_view text, size_t limit) {
  QUERN_ASSIGN(Parts parts, split_space(runtime, text, SIZE_MAX));
  if (parts.size() > limit) {
    // All before the last `limit` words is one part.
    const size_t n_joined = parts.size() - limit;
    const std::string_view last = parts[n_joined - 1];
    const auto end = static_cast<size_t>(last.data() - text.data()) + last.size();
    const std::string_view head = text.substr(0, end);
    parts.erase(parts.begin() + 1, parts.begin() + static_cast<std::ptrdiff_t>(n_joined));
    parts.front() = head;
  }
  return parts;
}

Result<Parts> split_lines(Runtime& runtime, std::string_view text, bool keep_ends) {
  const auto ends_line = [](char32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
  };
  QUERN_TRY(runtime.spend(cost::walk(2 * text.size())));
  PartList lines(runtime);
  size_t start = 0;
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = char_bytes(text, at);
    if (!ends_line(char_at(text, at))) {
      at += length;
      continue;
    }
    const size_t end = at;
    at += length;
    if (text[end] == '\r' && at < text.size() && text[at] == '\n') {
      ++at;
    }
    QUERN_TRY(lines.push(text.substr(start, (keep_ends ? at : end) - start)));
    start = at;
  }
  if (start < text.size()) {
    QUERN_TRY(lines.push(text.substr(start)));
  }
  return lines.take();
}

namespace {

// Between all characters, as Python does for an empty `from`.
Status interleave(TextBuilder& out, std::string_view text, const Replacement& how) {
  QUERN_TRY(out.runtime().spend(text.size() * cost::kItem));
  size_t done = 0;
  for (size_t at = 0; at <= text.size();) {
    if (done < how.limit) {
      QUERN_TRY(out.append(how.to));
      ++done;
    }
    const size_t length = at < text.size() ? char_bytes(text, at) : 1;
    QUERN_TRY(out.append(text.substr(at, length)));
    at += length;
  }
  return {};
}

Status replace_all(TextBuilder& out, std::string_view text, const Replacement& how) {
  QUERN_TRY(out.runtime().spend(search_cost(text, how.from)));
  size_t at = 0;
  for (size_t done = 0; done < how.limit; ++done) {
    const size_t found = find_from(text, how.from, at);
    if (found == std::string_view::npos) {
      break;
    }
    QUERN_TRY(out.runtime().spend(cost::kItem));
    QUERN_TRY(out.append(text.substr(at, found - at)));
    QUERN_TRY(out.append(how.to));
    at = found + how.from.size();
  }
  return out.append(text.substr(at));
}

}  // namespace

Result<Value> replace_text(Runtime& runtime, const Value& text, const Replacement& how) {
  TextBuilder out(runtime);
  QUERN_TRY(how.from.empty() ? interleave(out, text.text(), how)
                             : replace_all(out, text.text(), how));
  return out.value(text.is_markup());
}

Result<size_t> char_position(Runtime& runtime, const Value& text, size_t n) {
  const std::string_view bytes = text.text();
  if (n == 0 || n >= text.n_chars()) {
    return n == 0 ? 0 : bytes.size();
  }
  if (text.n_chars() == bytes.size()) {
    return n;
  }
  QUERN_TRY(runtime.spend(cost::walk(std::min(4 * n, bytes.size()))));
  return char_offset(bytes, n);
}

Result<std::string_view> strip_text(Runtime& runtime, std::string_view text, const Strip& how) {
  const size_t n_chars = how.chars == nullptr ? 0 : how.chars->size();
  // At worst all of it goes, each character looked up among `chars`.
  const uint64_t fuel = cost::walk(3 * text.size()) * (1 + n_chars / 4);
  QUERN_TRY(runtime.spend(fuel));
  return strip(text, how.side, how.chars);
}

}  // namespace quern::jinja
