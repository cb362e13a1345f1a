#include "text/tokenizer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/pretokenizer.h"
#include "text/special_tokens.h"
#include "text/spm.h"
#include "text/token_bytes.h"
#include "text/unigram.h"
#include "text/vocab_table.h"
#include "text/wordpiece.h"

namespace quern {

namespace {

constexpr size_t kMaxTextBytes = 1U << 30;

// What differs between vocabularies, settled from the file's flags and the kind's defaults.
struct TokenizerRules {
  TokenizerKind kind = TokenizerKind::bpe;
  TokenSpelling spelling = TokenSpelling::space_mark;
  bool add_bos = false;
  bool add_eos = false;
  TokenId first = kNoToken;  // what add_bos adds
  TokenId last = kNoToken;   // what add_eos adds
  bool add_space_prefix = false;
  bool remove_extra_whitespaces = false;
  bool escape_whitespaces = true;
  bool strips_leading_space = false;
};

struct Parts {
  TokenizerRules rules;
  SpecialTokens special;
  std::unique_ptr<VocabTable> tokens;  // at a fixed address, because the word model borrows it
  TokenBytes bytes;
  AddedTokens added;
  std::unique_ptr<const WordModel> words;
  size_t longest_bytes = 0;  // of text that one token stands for; 0: no bound
};

class VocabTokenizer final : public Tokenizer {
 public:
  explicit VocabTokenizer(Parts parts) : parts_(std::move(parts)) {}

  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const override;
  uint64_t least_tokens(size_t n_text_bytes) const override {
    const size_t most = parts_.longest_bytes;
    return most == 0 ? 0 : n_text_bytes / most + (n_text_bytes % most == 0 ? 0 : 1);
  }
  std::string_view token_bytes(TokenId id) const override {
    check_id(id);
    return parts_.bytes[id];
  }
  TokenId find(std::string_view text) const override { return parts_.tokens->find(text); }
  TokenType type(TokenId id) const override {
    check_id(id);
    return parts_.tokens->type(id);
  }
  bool is_end_of_generation(TokenId id) const override {
    return std::ranges::binary_search(parts_.special.end_of_generation, id);
  }
  const SpecialTokens& special() const override { return parts_.special; }
  uint32_t vocab_size() const override { return parts_.tokens->size(); }
  TokenizerKind kind() const override { return parts_.rules.kind; }
  bool adds_bos() const override { return parts_.rules.add_bos; }
  bool strips_leading_space() const override { return parts_.rules.strips_leading_space; }

 private:
  void check_id(TokenId id) const {
    QUERN_CHECK(value(id) >= 0 && static_cast<uint32_t>(value(id)) < vocab_size());
  }

  Parts parts_;
};

Result<std::vector<TokenId>> VocabTokenizer::encode(std::string_view text,
                                                    EncodeOptions options) const {
  if (text.size() > kMaxTextBytes) {
    return fail({.where = "tokenizer",
                 .what = fmt::format("the text has {} bytes", text.size()),
                 .expected = fmt::format("at most {}", kMaxTextBytes)});
  }
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 4 + 2);
  if (options.add_special && parts_.rules.add_bos) {
    ids.push_back(parts_.rules.first);
  }
  std::vector<WordModel::Stretch> stretches;
  WordModel::Context context{.at_text_start = true, .after_special = false};
  size_t done = 0;
  for (const AddedTokens::Match& match : parts_.added.find(text, options.parse_special)) {
    stretches.push_back({text.substr(done, match.begin - done), context, match.id});
    done = match.end;
    context = {.at_text_start = false, .after_special = true};
  }
  stretches.push_back({text.substr(done), context, kNoToken});
  parts_.words->encode_stretches(text, stretches, ids);
  if (options.add_special && parts_.rules.add_eos) {
    ids.push_back(parts_.rules.last);
  }
  return ids;
}

// --- creation -----------------------------------------------------------------------------------

void apply_pre(const PreTokenizer& pre, const VocabSpec& spec, TokenizerRules& rules) {
  rules.spelling = pre.byte_level ? TokenSpelling::byte_level : TokenSpelling::space_mark;
  // Published Gemma 4 files say false by mistake.
  rules.add_bos = pre.canonical == "gemma4" || spec.add_bos.value_or(pre.add_bos);
  rules.add_eos = spec.add_eos.value_or(false);
}

Result<TokenizerRules> make_rules(const VocabSpec& spec) {
  TokenizerRules rules;
  rules.kind = spec.kind;
  rules.escape_whitespaces = spec.escape_whitespaces.value_or(true);
  rules.remove_extra_whitespaces = spec.remove_extra_whitespaces.value_or(false);
  rules.add_space_prefix = spec.add_space_prefix.value_or(spec.kind == TokenizerKind::spm);
  switch (spec.kind) {
    case TokenizerKind::bpe: {
      // Silent here: make_bpe_model resolves the name too, and warns.
      QUERN_ASSIGN(const PreTokenizer* pre, resolve_pre(spec.pre, spec.allow_unknown_pre, Log()));
      apply_pre(*pre, spec, rules);
      rules.add_space_prefix = false;
      break;
    }
    case TokenizerKind::spm:
      rules.add_bos = spec.add_bos.value_or(true);
      rules.add_eos = spec.add_eos.value_or(false);
      rules.strips_leading_space = rules.add_space_prefix;
      break;
    case TokenizerKind::wordpiece:  // [CLS] text [SEP], whatever the file's flags say
      rules.add_bos = true;
      rules.add_eos = true;
      rules.strips_leading_space = true;
      break;
    case TokenizerKind::unigram:
      rules.add_bos = spec.add_bos.value_or(false);
      rules.add_eos = spec.add_eos.value_or(true);
      rules.strips_leading_space = rules.add_space_prefix || rules.remove_extra_whitespaces;
      break;
  }
  return rules;
}

// A flag that asks for a token that the vocabulary does not have is dropped, visibly.
void choose_outer_tokens(const SpecialTokens& special, const Log& log, TokenizerRules& rules) {
  rules.first = special.bos.value_or(kNoToken);
  rules.last =
      (rules.kind == TokenizerKind::wordpiece ? special.sep : special.eos).value_or(kNoToken);
  if (rules.add_bos && rules.first == kNoToken) {
    log.warn("the vocabulary has no token for the start of a text: none will be added");
    rules.add_bos = false;
  }
  if (rules.add_eos && rules.last == kNoToken) {
    log.warn("the vocabulary has no token for the end of a text: none will be added");
    rules.add_eos = false;
  }
}

// `ids` were checked to be in range.
std::vector<bool> id_set(const std::vector<TokenId>& ids, uint32_t n_tokens) {
  std::vector<bool> set(n_tokens);
  for (const TokenId id : ids) {
    set[static_cast<size_t>(value(id))] = true;
  }
  return set;
}

Result<AddedTokens> collect_added(const VocabSpec& spec, const VocabTable& tokens) {
  std::vector<AddedToken> added;
  std::vector<std::string> texts;
  size_t n_bytes = 0;
  const std::vector<bool> lstrip = id_set(spec.lstrip, tokens.size());
  const std::vector<bool> rstrip = id_set(spec.rstrip, tokens.size());
  for (int32_t i = 0; i < static_cast<int32_t>(tokens.size()); ++i) {
    const TokenId id{i};
    const TokenType type = tokens.type(id);
    const bool always = type == TokenType::user_defined;
    if (tokens.text(id).empty() ||
        (!always && type != TokenType::control && type != TokenType::unknown)) {
      continue;
    }
    const auto at = static_cast<size_t>(i);
    added.push_back({id, always, lstrip[at], rstrip[at]});
    texts.emplace_back(tokens.text(id));
    n_bytes += texts.back().size();
  }
  if (n_bytes >= ByteTrie::kMaxNodes) {
    return fail({.where = "tokenizer",
                 .what = fmt::format("the texts of special tokens have {} bytes", n_bytes),
                 .expected = fmt::format("fewer than {}", ByteTrie::kMaxNodes)});
  }
  return AddedTokens(std::move(added), std::move(texts));
}

Result<std::unique_ptr<const WordModel>> make_words(const VocabSpec& spec, const Parts& parts,
                                                    const Log& log) {
  const TokenizerRules& rules = parts.rules;
  const TokenId unk = parts.special.unk.value_or(kNoToken);
  switch (rules.kind) {
    case TokenizerKind::bpe:
      return make_bpe_model(spec, log);
    case TokenizerKind::spm:
      return make_spm_model(*parts.tokens, {.add_space_prefix = rules.add_space_prefix,
                                            .escape_whitespaces = rules.escape_whitespaces,
                                            .unk = unk});
    case TokenizerKind::wordpiece: {
      const bool lowercase = spec.lowercase.value_or(true);
      return make_wordpiece_model(*parts.tokens,
                                  {.lowercase = lowercase,
                                   .strip_accents = spec.strip_accents.value_or(lowercase),
                                   .unk = unk});
    }
    case TokenizerKind::unigram:
      return make_unigram_model(*parts.tokens,
                                {.precompiled_charsmap = spec.precompiled_charsmap,
                                 .add_space_prefix = rules.add_space_prefix,
                                 .remove_extra_whitespaces = rules.remove_extra_whitespaces,
                                 .escape_whitespaces = rules.escape_whitespaces,
                                 .unk = unk});
  }
  return fail({.where = "tokenizer", .what = "unknown kind of vocabulary", .expected = {}});
}

// A token of a byte-level vocabulary takes the bytes that it stands for. Others may be met as the
// file spells them too: "\u2581" in a text is no space, but the token of a space takes it.
size_t longest_text(const Parts& parts) {
  const bool is_byte_level = parts.rules.spelling == TokenSpelling::byte_level;
  size_t longest = 0;
  for (int32_t i = 0; i < static_cast<int32_t>(parts.tokens->size()); ++i) {
    const TokenId id{i};
    longest = std::max(longest, parts.bytes[id].size());
    if (!is_byte_level || parts.tokens->type(id) != TokenType::normal) {
      longest = std::max(longest, parts.tokens->text(id).size());
    }
  }
  return longest;
}

// Tokens that swallow white space beside them take any number of bytes.
size_t longest_bytes_of(const VocabSpec& spec, const Parts& parts) {
  const bool takes_spaces = !spec.lstrip.empty() || !spec.rstrip.empty();
  return takes_spaces || !parts.words->keeps_every_byte() ? 0 : longest_text(parts);
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> Tokenizer::create(const VocabSpec& spec, const Log& log) {
  Parts parts;
  QUERN_ASSIGN(parts.rules, make_rules(spec));
  QUERN_ASSIGN(VocabTable tokens, VocabTable::create(spec));
  parts.tokens = std::make_unique<VocabTable>(std::move(tokens));
  QUERN_ASSIGN(parts.special, resolve_special_tokens(spec, *parts.tokens, log));
  choose_outer_tokens(parts.special, log, parts.rules);
  parts.bytes = TokenBytes(*parts.tokens, parts.rules.spelling);
  QUERN_ASSIGN(parts.added, collect_added(spec, *parts.tokens));
  QUERN_ASSIGN(parts.words, make_words(spec, parts, log));
  parts.longest_bytes = longest_bytes_of(spec, parts);
  return std::make_unique<const VocabTokenizer>(std::move(parts));
}

// Undoes encode: where encode put a space before a stretch of text, one is taken away.
std::string Tokenizer::decode(std::span<const TokenId> ids, DecodeOptions options) const {
  std::string text;
  bool strip = strips_leading_space();
  for (const TokenId id : ids) {
    const TokenType kind_of_token = type(id);
    const bool is_special =
        kind_of_token == TokenType::control || kind_of_token == TokenType::unknown;
    std::string_view bytes = token_bytes(id);
    if (is_special || kind_of_token == TokenType::user_defined) {
      strip = strips_leading_space();
      if (!is_special || !options.skip_special) {
        text += bytes;
      }
      continue;
    }
    if (strip && bytes.starts_with(' ')) {
      bytes.remove_prefix(1);
    }
    text += bytes;
    strip = false;
  }
  return text;
}

}  // namespace quern
