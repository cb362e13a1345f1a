#include "model/tokenizer_from_card.h"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "text/pretokenizer.h"
#include "text/printable.h"

namespace quern {

namespace {

constexpr std::string_view kWhere = "tokenizer";

struct NamedKind {
  std::string_view name;
  TokenizerKind kind;
};
// Values of tokenizer.ggml.model. "gemma4" is byte-pair encoding with a pre-tokenizer of its own.
constexpr std::array<NamedKind, 5> kKinds{{{"gpt2", TokenizerKind::bpe},
                                           {"llama", TokenizerKind::spm},
                                           {"bert", TokenizerKind::wordpiece},
                                           {"t5", TokenizerKind::unigram},
                                           {"gemma4", TokenizerKind::bpe}}};

std::string key(std::string_view suffix) {
  return fmt::format("tokenizer.ggml.{}", suffix);
}

// -1, also as unsigned 32 bits, is how files write "none".
std::optional<TokenId> token_id(const ModelCard& card, std::string_view suffix) {
  const auto id = card.i64(key(suffix));
  if (!id || *id == -1 || *id == UINT32_MAX) {
    return std::nullopt;
  }
  // Beyond 32 bits is out of every range: the tokenizer refuses INT32_MAX.
  return TokenId{static_cast<int32_t>(std::clamp<int64_t>(*id, INT32_MIN, INT32_MAX))};
}

SpecialTokens special_tokens(const ModelCard& card) {
  SpecialTokens special{.bos = token_id(card, "bos_token_id"),
                        .eos = token_id(card, "eos_token_id"),
                        .eot = token_id(card, "eot_token_id"),
                        .eom = token_id(card, "eom_token_id"),
                        .unk = token_id(card, "unknown_token_id"),
                        .sep = token_id(card, "seperator_token_id"),  // the format's own spelling
                        .pad = token_id(card, "padding_token_id"),
                        .cls = token_id(card, "cls_token_id"),
                        .mask = token_id(card, "mask_token_id"),
                        .end_of_generation = {}};
  for (const std::string_view suffix :
       {"fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"}) {
    if (const auto id = token_id(card, suffix)) {
      special.end_of_generation.push_back(*id);
    }
  }
  if (const auto ids = card.i64s(key("eos_token_ids"))) {
    for (const int64_t id : *ids) {
      if (id != -1 && id != UINT32_MAX) {
        special.end_of_generation.push_back(
            TokenId{static_cast<int32_t>(std::clamp<int64_t>(id, INT32_MIN, INT32_MAX))});
      }
    }
  }
  return special;
}

Result<TokenizerKind> kind_of(const ModelCard& card) {
  const auto name = card.string(key("model"));
  std::string known;
  for (const NamedKind& entry : kKinds) {
    if (name == entry.name) {
      return entry.kind;
    }
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.name);
  }
  if (!name) {
    return fail({.where = std::string(kWhere),
                 .what = "the file has no tokenizer.ggml.model",
                 .expected = "a model with a vocabulary"});
  }
  return fail({.kind = ErrorKind::unsupported,
               .where = std::string(kWhere),
               .what = fmt::format("tokenizer.ggml.model is '{}'", printable(*name)),
               .expected = fmt::format("one of {}", known)});
}

std::string_view pre_of(const ModelCard& card) {
  const bool is_gemma4 = card.string(key("model")) == "gemma4";
  return is_gemma4 ? "gemma4" : card.string(key("pre")).value_or("");
}

std::vector<TokenType> token_types(const ModelCard& card) {
  std::vector<TokenType> types;
  if (const auto numbers = card.i64s(key("token_type"))) {
    types.reserve(numbers->size());
    for (const int64_t number : *numbers) {
      const bool known = number >= 0 && number <= static_cast<int64_t>(TokenType::byte);
      types.push_back(known ? static_cast<TokenType>(number) : TokenType::undefined);
    }
  }
  return types;
}

bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(parts, [&](std::string_view part) { return text.contains(part); });
}

std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return lower;
}

std::vector<TokenId> tokens_with_text(const VocabSpec& spec, std::string_view text) {
  const auto found = std::ranges::find(spec.tokens, text);
  if (found == spec.tokens.end()) {
    return {};
  }
  return {TokenId{static_cast<int32_t>(found - spec.tokens.begin())}};
}

// Phi-3's tokenizer.json lets all its special tokens but three swallow the space after them.
std::vector<TokenId> phi3_rstrip(const VocabSpec& spec) {
  std::vector<TokenId> rstrip;
  for (size_t i = 0; i < spec.types.size() && i < spec.tokens.size(); ++i) {
    const TokenType type = spec.types[i];
    const bool special = type == TokenType::control || type == TokenType::user_defined ||
                         type == TokenType::unknown || spec.tokens[i] == "</s>";
    const std::string_view text = spec.tokens[i];
    if (special && text != "<unk>" && text != "<s>" && text != "<|endoftext|>") {
      rstrip.push_back(TokenId{static_cast<int32_t>(i)});
    }
  }
  return rstrip;
}

// Files do not carry the strip rules of tokenizer.json; they are known by family.
void set_strip_rules(const ModelCard& card, VocabSpec& spec) {
  const std::string name = lower_ascii(card.string("general.name").value_or(""));
  if (contains_any(spec.pre, {"jina-v2-de", "jina-v2-es", "jina-v2-code"}) ||
      contains_any(card.architecture(), {"nomic-bert-moe", "jina-bert-v3"})) {
    spec.lstrip = tokens_with_text(spec, "<mask>");
  } else if (contains_any(name, {"phi-3", "phi3"})) {
    spec.rstrip = phi3_rstrip(spec);
  } else if (contains_any(name, {"modern-bert"})) {
    spec.lstrip = tokens_with_text(spec, "[MASK]");
  }
}

template <typename Views>
std::vector<std::string_view> copy_views(const Views& views) {
  return views ? std::vector<std::string_view>(views->begin(), views->end())
               : std::vector<std::string_view>();
}

}  // namespace

Status check_tokenizer(const ModelCard& card, TokenizerOptions options) {
  QUERN_ASSIGN(const TokenizerKind kind, kind_of(card));
  if (kind == TokenizerKind::bpe) {
    QUERN_TRY(resolve_pre(pre_of(card), options.allow_unknown_pre, Log()));  // told at the load
  }
  return {};
}

Result<std::unique_ptr<const Tokenizer>> make_tokenizer(const ModelCard& card, const Log& log,
                                                        TokenizerOptions options) {
  VocabSpec spec;
  QUERN_ASSIGN(spec.kind, kind_of(card));
  spec.pre = pre_of(card);
  spec.allow_unknown_pre = options.allow_unknown_pre;
  spec.tokens = copy_views(card.strings(key("tokens")));
  spec.scores = card.f32s(key("scores")).value_or(std::vector<float>());
  spec.types = token_types(card);
  spec.merges = copy_views(card.strings(key("merges")));
  if (const auto charsmap = card.bytes(key("precompiled_charsmap"))) {
    spec.precompiled_charsmap.assign(charsmap->begin(), charsmap->end());
  }
  spec.special = special_tokens(card);
  spec.add_bos = card.boolean(key("add_bos_token"));
  spec.add_eos = card.boolean(key("add_eos_token"));
  spec.add_sep = card.boolean(key("add_sep_token"));
  spec.add_space_prefix = card.boolean(key("add_space_prefix"));
  spec.remove_extra_whitespaces = card.boolean(key("remove_extra_whitespaces"));
  spec.escape_whitespaces = card.boolean(key("escape_whitespaces"));
  spec.lowercase = card.boolean(key("normalizer.lowercase"));
  spec.strip_accents = card.boolean(key("normalizer.strip_accents"));
  spec.chat_template = card.string("tokenizer.chat_template").value_or("");
  set_strip_rules(card, spec);
  return Tokenizer::create(spec, log);
}

}  // namespace quern
