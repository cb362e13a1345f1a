#include "text/special_tokens.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

namespace quern {

namespace {

using Texts = std::span<const std::string_view>;

// Ends of a turn, in order of preference: the first that a vocabulary has is its eot.
constexpr auto kTurnEnds = std::to_array<std::string_view>({
    "<|eot_id|>",       // Llama 3
    "<|im_end|>",       // ChatML
    "<|end|>",          // Phi
    "<end_of_turn>",    // Gemma
    "<|endoftext|>",    // GPT-2
    "<|end_of_text|>",  // Granite
    "<EOT>", "_<EOT>",  // CodeLlama
    "[EOT]",            // Kimi
    "<\xEF\xBD\x9C"
    "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",  // DeepSeek
    "<end_of_utterance>",                                  // SmolVLM
});

constexpr auto kMessageEnds = std::to_array<std::string_view>({"<|eom_id|>"});

// Further texts after which a model has nothing to say.
constexpr auto kOtherEnds = std::to_array<std::string_view>({
    "<|return|>", "<|call|>",                // gpt-oss
    "<|flush|>", "<|calls|>",                // Solar
    "</s>",                                  // SentencePiece's default
    "[EOS]",                                 // Kimi
    "<eos>", "<turn|>", "<|tool_response>",  // Gemma 4
    "[e~[",                                  // MiniMax
});

// Fill-in-the-middle padding and file borders end a completion too; one of each group.
constexpr auto kFillPads =
    std::to_array<std::string_view>({"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"});
constexpr auto kFillRepositories = std::to_array<std::string_view>(
    {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"});
constexpr auto kFillSeparators = std::to_array<std::string_view>({"<|file_sep|>"});

// gpt-oss writes its channels with these; a client has to see them.
constexpr auto kShown =
    std::to_array<std::string_view>({"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"});

class Resolver {
 public:
  Resolver(const VocabSpec& spec, VocabTable& tokens, const Log& log)
      : spec_(spec), tokens_(tokens), log_(log), special_(spec.special) {}

  Result<SpecialTokens> run() {
    QUERN_TRY(check_ranges());
    apply_kind_defaults();
    find_ends();
    apply_exceptions();
    auto& ends = special_.end_of_generation;
    std::ranges::sort(ends);
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    return special_;
  }

 private:
  Status check_range(std::string_view name, TokenId id) const;
  Status check_ranges() const;
  void apply_kind_defaults();
  void set_default(std::optional<TokenId>& id, int32_t fallback) const;
  TokenId first_of(Texts texts) const;
  void set_first_of(std::optional<TokenId>& id, Texts texts) const;
  void add_end(TokenId id);
  void make_control(TokenId id);
  void find_ends();
  void apply_exceptions();
  bool ends_with_text(std::string_view text) const;
  void take_back_end(std::string_view text, TokenType type);

  const VocabSpec& spec_;
  VocabTable& tokens_;
  const Log& log_;
  SpecialTokens special_;
};

Status Resolver::check_range(std::string_view name, TokenId id) const {
  if (value(id) >= 0 && static_cast<uint32_t>(value(id)) < tokens_.size()) {
    return {};
  }
  return fail({.where = "tokenizer",
               .what = fmt::format("the {} token has id {}", name, value(id)),
               .expected = fmt::format("0 to {}", tokens_.size() - 1)});
}

Status Resolver::check_ranges() const {
  struct Named {
    std::string_view name;
    std::optional<TokenId> id;
  };
  const SpecialTokens& s = spec_.special;
  const std::array<Named, 9> all{{{"bos", s.bos},
                                  {"eos", s.eos},
                                  {"eot", s.eot},
                                  {"eom", s.eom},
                                  {"unknown", s.unk},
                                  {"separator", s.sep},
                                  {"padding", s.pad},
                                  {"cls", s.cls},
                                  {"mask", s.mask}}};
  for (const Named& named : all) {
    if (named.id) {
      QUERN_TRY(check_range(named.name, *named.id));
    }
  }
  for (const TokenId id : s.end_of_generation) {
    QUERN_TRY(check_range("end-of-generation", id));
  }
  for (const auto* strips : {&spec_.lstrip, &spec_.rstrip}) {
    for (const TokenId id : *strips) {
      QUERN_TRY(check_range("stripping", id));
    }
  }
  return {};
}

void Resolver::set_default(std::optional<TokenId>& id, int32_t fallback) const {
  if (!id && static_cast<uint32_t>(fallback) < tokens_.size()) {
    id = TokenId{fallback};
  }
}

// The ids that the kinds' first published models had; files of those days do not name them.
void Resolver::apply_kind_defaults() {
  switch (spec_.kind) {
    case TokenizerKind::spm:
      set_default(special_.unk, 0);
      set_default(special_.bos, 1);
      set_default(special_.eos, 2);
      break;
    case TokenizerKind::wordpiece:
      if (!special_.cls) {
        special_.cls = special_.bos;
      }
      set_default(special_.pad, 0);
      set_default(special_.unk, 100);
      set_default(special_.cls, 101);
      set_default(special_.sep, 102);
      set_default(special_.mask, 103);
      if (!special_.bos) {
        special_.bos = special_.cls;
      }
      break;
    case TokenizerKind::unigram:
      set_default(special_.pad, 0);
      set_default(special_.eos, 1);
      set_default(special_.unk, 2);
      break;
    case TokenizerKind::bpe:
      break;
  }
}

TokenId Resolver::first_of(Texts texts) const {
  for (const std::string_view text : texts) {
    const TokenId id = tokens_.find(text);
    if (id != kNoToken) {
      return id;
    }
  }
  return kNoToken;
}

void Resolver::make_control(TokenId id) {
  const TokenType type = tokens_.type(id);
  if (type == TokenType::control || type == TokenType::unknown) {
    return;
  }
  log_.debug(fmt::format("token {} '{}' ends an answer: taken as a control token", value(id),
                         tokens_.text(id)));
  tokens_.set_type(id, TokenType::control);
}

void Resolver::set_first_of(std::optional<TokenId>& id, Texts texts) const {
  const TokenId found = first_of(texts);
  if (!id && found != kNoToken) {
    id = found;
  }
}

// A token known by its text, or kNoToken.
void Resolver::add_end(TokenId id) {
  if (id != kNoToken) {
    special_.end_of_generation.push_back(id);
    make_control(id);
  }
}

void Resolver::find_ends() {
  set_first_of(special_.eot, kTurnEnds);
  set_first_of(special_.eom, kMessageEnds);
  for (const Texts texts : {Texts(kTurnEnds), Texts(kMessageEnds), Texts(kOtherEnds)}) {
    for (const std::string_view text : texts) {
      add_end(tokens_.find(text));
    }
  }
  for (const Texts texts : {Texts(kFillPads), Texts(kFillRepositories), Texts(kFillSeparators)}) {
    add_end(first_of(texts));
  }
  for (const auto& id : {special_.eos, special_.eot, special_.eom}) {
    if (id) {
      special_.end_of_generation.push_back(*id);
    }
  }
}

bool Resolver::ends_with_text(std::string_view text) const {
  const TokenId id = tokens_.find(text);
  return id != kNoToken &&
         std::ranges::find(special_.end_of_generation, id) != special_.end_of_generation.end();
}

void Resolver::take_back_end(std::string_view text, TokenType type) {
  const TokenId id = tokens_.find(text);
  std::erase(special_.end_of_generation, id);
  tokens_.set_type(id, type);
}

// Families whose vocabularies hold a well-known text with another meaning.
void Resolver::apply_exceptions() {
  for (const std::string_view text : kShown) {
    if (const TokenId id = tokens_.find(text); id != kNoToken) {
      tokens_.set_type(id, TokenType::user_defined);
    }
  }
  // In gpt-oss and Solar, <|end|> ends a message within the answer, not the answer.
  const bool calls = ends_with_text("<|call|>") || ends_with_text("<|calls|>");
  if (calls && (ends_with_text("<|return|>") || ends_with_text("<|flush|>")) &&
      ends_with_text("<|end|>")) {
    take_back_end("<|end|>", TokenType::user_defined);
  }
  // In Gemma 4, </s> is HTML.
  if (ends_with_text("<|tool_response>") && ends_with_text("</s>")) {
    take_back_end("</s>", TokenType::normal);
  }
}

}  // namespace

Result<SpecialTokens> resolve_special_tokens(const VocabSpec& spec, VocabTable& tokens,
                                             const Log& log) {
  return Resolver(spec, tokens, log).run();
}

}  // namespace quern
