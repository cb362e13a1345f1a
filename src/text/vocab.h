// VocabSpec: everything a file says about its words, as plain data. The layer that reads files
// fills it; Tokenizer::create checks and indexes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace quern {

// tokenizer.ggml.model
enum class TokenizerKind {
  bpe,        // "gpt2": byte-level BPE with a pre-tokenizer regex
  spm,        // "llama": SentencePiece BPE by score, byte fallback
  wordpiece,  // "bert"
  unigram,    // "t5": SentencePiece Unigram, Viterbi by score
};

// tokenizer.ggml.token_type, the file's numbers.
enum class TokenType : uint8_t {
  undefined = 0,
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct SpecialTokens {
  std::optional<TokenId> bos, eos, eot, eom, unk, sep, pad, cls, mask;
  std::vector<TokenId> end_of_generation;  // further ids that end an answer, from the file
};

// Flags are absent when the file does not say; the tokenizer then applies its kind's and pre's
// default.
struct VocabSpec {
  TokenizerKind kind = TokenizerKind::bpe;
  std::string_view pre;  // tokenizer.ggml.pre; empty when missing
  bool allow_unknown_pre = false;
  std::vector<std::string_view>
      tokens;                    // text as the file stores it (byte-level BPE: mapped characters)
  std::vector<float> scores;     // as many as tokens, or empty
  std::vector<TokenType> types;  // as many as tokens, or empty (all normal)
  std::vector<std::string_view> merges;  // "left right", by rank; bpe only
  std::vector<std::byte>
      precompiled_charsmap;  // unigram normaliser, SentencePiece's format; may be empty
  SpecialTokens special;
  std::optional<bool> add_bos, add_eos, add_sep, add_space_prefix, remove_extra_whitespaces,
      escape_whitespaces;
  // WordPiece's normaliser; both on unless the file says otherwise.
  std::optional<bool> lowercase, strip_accents;
  // Tokens that swallow the white space before or after them in a text.
  std::vector<TokenId> lstrip, rstrip;
  std::string_view chat_template;  // only to tell kinds of end token apart; may be empty
};

}  // namespace quern
