#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "gguf/validate.h"
#include "text/printable.h"

namespace quern {
namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";
// The file's numbers of token types.
constexpr int64_t kByteToken = 6;
constexpr int64_t kMaxTokenType = 6;
// How files write "there is no such token".
constexpr int64_t kNoTokenUnsigned = UINT32_MAX;
constexpr int64_t kNoTokenSigned = -1;

std::unexpected<Error> refused(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "gguf",
               .what = std::move(what),
               .expected = std::move(expected)});
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// "<0x" and two hexadecimal digits and ">", as SentencePiece writes a byte.
bool is_byte_token(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && is_hex(text[3]) && is_hex(text[4]) &&
         text[5] == '>';
}

class TokenizerCheck {
 public:
  explicit TokenizerCheck(const ModelCard& card) : card_(card) {}

  Status check() {
    QUERN_TRY(check_simple_types());
    QUERN_TRY(check_tokens());
    QUERN_TRY(check_scores());
    QUERN_TRY(check_token_types());
    return check_special_ids();
  }

 private:
  const MetaValue* find(std::string_view suffix) const {
    return card_.find(fmt::format("{}{}", kPrefix, suffix));
  }

  static std::unexpected<Error> wrong_type(std::string_view suffix, const MetaValue& value,
                                           std::string_view expected) {
    return refused(
        fmt::format("{}{} is {}", kPrefix, suffix,
                    value.is_array() ? value.to_string() : fmt::format("a {}", name(value.type()))),
        std::string(expected));
  }

  Status check_simple_types() const {
    for (const std::string_view suffix : {"model", "pre"}) {
      const MetaValue* value = find(suffix);
      if (value != nullptr && !value->as_string()) {
        return wrong_type(suffix, *value, "a string");
      }
    }
    for (const std::string_view suffix :
         {"add_bos_token", "add_eos_token", "add_sep_token", "add_space_prefix",
          "remove_extra_whitespaces", "escape_whitespaces"}) {
      const MetaValue* value = find(suffix);
      if (value != nullptr && !value->as_bool()) {
        return wrong_type(suffix, *value, "a bool");
      }
    }
    const MetaValue* merges = find("merges");
    if (merges != nullptr && !is_array_of(*merges, MetaType::string)) {
      return wrong_type("merges", *merges, "an array of strings");
    }
    const MetaValue* charsmap = find("precompiled_charsmap");
    if (charsmap != nullptr && !is_array_of(*charsmap, MetaType::u8) &&
        !is_array_of(*charsmap, MetaType::i8)) {
      return wrong_type("precompiled_charsmap", *charsmap, "an array of bytes");
    }
    const MetaValue* chat_template = card_.find("tokenizer.chat_template");
    if (chat_template != nullptr && !chat_template->as_string()) {
      return refused(fmt::format("tokenizer.chat_template is {}", chat_template->to_string()),
                     "a string");
    }
    return {};
  }

  static bool is_array_of(const MetaValue& value, MetaType type) {
    return value.is_array() && value.element_type() == type;
  }

  Status check_tokens() {
    const MetaValue* value = find("tokens");
    if (value == nullptr) {
      return {};
    }
    const auto tokens = value->as_strings();
    if (!tokens) {
      return wrong_type("tokens", *value, "an array of strings");
    }
    if (tokens->empty()) {
      return refused("tokenizer.ggml.tokens is empty", "at least one token");
    }
    tokens_ = *tokens;
    return check_vocab_size();
  }

  // A larger one is common: rows that pad the embedding.
  Status check_vocab_size() const {
    const MetaValue* value = card_.find_arch("vocab_size");
    const auto n_rows = value == nullptr ? std::nullopt : value->as_i64();
    if (n_rows && *n_rows < static_cast<int64_t>(tokens_.size())) {
      return refused(fmt::format("{}.vocab_size is {} for {} tokens", card_.architecture(), *n_rows,
                                 tokens_.size()),
                     "at least one for each token");
    }
    return {};
  }

  Status check_length(std::string_view suffix, const MetaValue& value) const {
    if (value.n_elements() != tokens_.size()) {
      return refused(fmt::format("{}{} has {} values for {} tokens", kPrefix, suffix,
                                 value.n_elements(), tokens_.size()),
                     "one for each token");
    }
    return {};
  }

  Status check_scores() const {
    const MetaValue* value = find("scores");
    if (value == nullptr) {
      return {};
    }
    const auto scores = value->as_f32s();
    if (!scores || value->element_type() != MetaType::f32) {
      return wrong_type("scores", *value, "an array of f32");
    }
    QUERN_TRY(check_length("scores", *value));
    const auto bad = std::ranges::find_if(*scores, [](float x) { return std::isnan(x); });
    if (bad != scores->end()) {
      return refused(fmt::format("the score of token {} is not a number", bad - scores->begin()),
                     "numbers");
    }
    return {};
  }

  Status check_token_types() const {
    const MetaValue* value = find("token_type");
    if (value == nullptr) {
      return {};
    }
    const auto types = value->as_i64s();
    const bool has_type = is_array_of(*value, MetaType::i32) || is_array_of(*value, MetaType::u32);
    if (!types || !has_type) {
      return wrong_type("token_type", *value, "an array of i32");
    }
    QUERN_TRY(check_length("token_type", *value));
    for (size_t i = 0; i < types->size(); ++i) {
      QUERN_TRY(check_token_type(i, (*types)[i]));
    }
    return {};
  }

  Status check_token_type(size_t i, int64_t type) const {
    if (type < 0 || type > kMaxTokenType) {
      return refused(fmt::format("token {} has type {}", i, type),
                     fmt::format("0 to {}", kMaxTokenType));
    }
    if (type == kByteToken && !is_byte_token(tokens_[i])) {
      return refused(fmt::format("byte token {} is '{}'", i, printable(tokens_[i])),
                     "<0x00> to <0xFF>");
    }
    return {};
  }

  // Every key of the tokenizer that ends in _token_id or _token_ids.
  Status check_special_ids() const {
    for (const MetaPair& pair : card_.metadata()) {
      if (!pair.key.starts_with(kPrefix)) {
        continue;
      }
      if (pair.key.ends_with("_token_id")) {
        QUERN_TRY(check_id(pair.key, pair.value));
      } else if (pair.key.ends_with("_token_ids")) {
        QUERN_TRY(check_ids(pair));
      }
    }
    return {};
  }

  Status check_ids(const MetaPair& pair) const {
    if (!pair.value.is_array() || !is_integer(pair.value.element_type())) {
      return refused(fmt::format("{} is {}", printable(pair.key), pair.value.to_string()),
                     "an array of integers");
    }
    for (uint64_t i = 0; i < pair.value.n_elements(); ++i) {
      QUERN_TRY(check_id(pair.key, pair.value.element(i)));
    }
    return {};
  }

  Status check_id(std::string_view key, const MetaValue& value) const {
    const auto id = value.as_i64();
    if (id == kNoTokenUnsigned || id == kNoTokenSigned) {
      return {};
    }
    const auto n_tokens = static_cast<int64_t>(tokens_.size());
    // Files without a vocabulary still name ids.
    const int64_t end = tokens_.empty() ? INT32_MAX : n_tokens;
    if (!id || *id < 0 || *id >= end) {
      return refused(
          fmt::format("{} is {} ({})", printable(key), value.to_string(), name(value.type())),
          fmt::format("an integer below {}", end));
    }
    return {};
  }

  const ModelCard& card_;
  std::span<const std::string_view> tokens_;
};

}  // namespace

Status detail::validate_tokenizer(const ModelCard& card) {
  return TokenizerCheck(card).check();
}

}  // namespace quern
