#include "text/vocab_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "text/printable.h"

namespace quern {

namespace {

constexpr size_t kMaxTokens = 1U << 24;        // the largest published vocabularies have 2^18
constexpr size_t kMaxAllTextBytes = 1U << 30;  // all texts together; offsets are 32 bits
constexpr size_t kMaxTokenBytes = 1U << 16;    // one text; published ones stay below 1 KiB
constexpr std::string_view kWhere = "tokenizer";

uint64_t hash_text(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

Status check_counts(const VocabSpec& spec) {
  const size_t n = spec.tokens.size();
  if (n == 0 || n > kMaxTokens) {
    return fail({.where = std::string(kWhere),
                 .what = fmt::format("the vocabulary has {} tokens", n),
                 .expected = fmt::format("1 to {}", kMaxTokens)});
  }
  if (!spec.scores.empty() && spec.scores.size() != n) {
    return fail({.where = std::string(kWhere),
                 .what = fmt::format("{} scores for {} tokens", spec.scores.size(), n),
                 .expected = "one score for each token"});
  }
  if (!spec.types.empty() && spec.types.size() != n) {
    return fail({.where = std::string(kWhere),
                 .what = fmt::format("{} token types for {} tokens", spec.types.size(), n),
                 .expected = "one type for each token"});
  }
  const auto finite = [](float score) { return std::isfinite(score); };
  const auto bad = std::ranges::find_if_not(spec.scores, finite);
  if (bad != spec.scores.end()) {
    return fail({.where = std::string(kWhere),
                 .what = fmt::format("the score of token {} is not a finite number",
                                     bad - spec.scores.begin()),
                 .expected = "finite scores"});
  }
  return {};
}

}  // namespace

int parse_byte_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') {
    return -1;
  }
  const int high = hex_digit(text[3]);
  const int low = hex_digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

Result<VocabTable> VocabTable::create(const VocabSpec& spec) {
  QUERN_TRY(check_counts(spec));
  VocabTable table;
  QUERN_TRY(table.add_texts(spec));
  table.scores_ = spec.scores;
  table.types_ = spec.types;
  table.types_.resize(spec.tokens.size(), TokenType::normal);
  QUERN_TRY(table.index_texts());
  if (spec.kind == TokenizerKind::spm || spec.kind == TokenizerKind::unigram) {
    table.mark_byte_tokens();
  }
  QUERN_TRY(table.index_byte_tokens());
  return table;
}

Status VocabTable::add_texts(const VocabSpec& spec) {
  size_t n_bytes = 0;
  for (size_t i = 0; i < spec.tokens.size(); ++i) {
    if (spec.tokens[i].size() > kMaxTokenBytes) {
      return fail(
          {.where = std::string(kWhere),
           .what = fmt::format("the text of token {} has {} bytes", i, spec.tokens[i].size()),
           .expected = fmt::format("at most {}", kMaxTokenBytes)});
    }
    n_bytes += spec.tokens[i].size();
  }
  if (n_bytes > kMaxAllTextBytes) {
    return fail({.where = std::string(kWhere),
                 .what = fmt::format("the token texts have {} bytes", n_bytes),
                 .expected = fmt::format("at most {}", kMaxAllTextBytes)});
  }
  texts_.reserve(n_bytes);
  offsets_.reserve(spec.tokens.size() + 1);
  offsets_.push_back(0);
  for (const std::string_view token : spec.tokens) {
    texts_ += token;
    offsets_.push_back(static_cast<uint32_t>(texts_.size()));
  }
  return {};
}

Status VocabTable::index_texts() {
  slots_.assign(std::bit_ceil(2 * static_cast<size_t>(size()) + 1), {});
  const size_t mask = slots_.size() - 1;
  for (int32_t i = 0; i < static_cast<int32_t>(size()); ++i) {
    const std::string_view token = text(TokenId{i});
    if (token.empty()) {
      continue;  // a hole in the vocabulary: it stands for no text
    }
    const uint64_t hash = hash_text(token);
    const auto tag = static_cast<uint32_t>(hash >> 32);
    size_t slot = hash & mask;
    for (; slots_[slot].id >= 0; slot = (slot + 1) & mask) {
      if (slots_[slot].tag == tag && text(TokenId{slots_[slot].id}) == token) {
        return fail({.where = std::string(kWhere),
                     .what = fmt::format("tokens {} and {} have the same text '{}'",
                                         slots_[slot].id, i, printable(token)),
                     .expected = "every text once"});
      }
    }
    slots_[slot] = {tag, i};
  }
  return {};
}

// Old files call byte tokens normal. They are byte tokens when all 256 are there and none is
// marked.
void VocabTable::mark_byte_tokens() {
  if (std::ranges::find(types_, TokenType::byte) != types_.end()) {
    return;
  }
  std::vector<size_t> found;
  for (size_t i = 0; i < types_.size(); ++i) {
    if (parse_byte_token(text(TokenId{static_cast<int32_t>(i)})) >= 0) {
      found.push_back(i);
    }
  }
  if (found.size() == 256) {
    for (const size_t i : found) {
      types_[i] = TokenType::byte;
    }
  }
}

Status VocabTable::index_byte_tokens() {
  byte_tokens_.fill(kNoToken);
  for (int32_t i = 0; i < static_cast<int32_t>(size()); ++i) {
    if (types_[static_cast<size_t>(i)] != TokenType::byte) {
      continue;
    }
    const int byte = parse_byte_token(text(TokenId{i}));
    if (byte < 0) {
      return fail(
          {.where = std::string(kWhere),
           .what = fmt::format("byte token {} has the text '{}'", i, printable(text(TokenId{i}))),
           .expected = "<0x00> to <0xFF>"});
    }
    byte_tokens_[static_cast<size_t>(byte)] = TokenId{i};
  }
  return {};
}

TokenId VocabTable::find(std::string_view wanted) const {
  if (wanted.empty()) {
    return kNoToken;
  }
  const uint64_t hash = hash_text(wanted);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask; slots_[slot].id >= 0; slot = (slot + 1) & mask) {
    if (slots_[slot].tag == tag && text(TokenId{slots_[slot].id}) == wanted) {
      return TokenId{slots_[slot].id};
    }
  }
  return kNoToken;
}

bool VocabTable::has_all_byte_tokens() const {
  return std::ranges::find(byte_tokens_, kNoToken) == byte_tokens_.end();
}

}  // namespace quern
