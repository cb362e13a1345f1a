// Tokenizer: text to token ids and back, for every kind of vocabulary that GGUF files carry.
// Immutable after creation and safe to use from many threads; a per-call scratch keeps it so.
// Owns copies of all token texts; the VocabSpec it was made from may die.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/log.h"
#include "base/result.h"
#include "text/vocab.h"

namespace quern {

struct EncodeOptions {
  bool add_special = false;   // BOS/EOS/SEP/CLS as the file's rules say
  bool parse_special = true;  // text of special tokens becomes those tokens; else it is plain text
};

struct DecodeOptions {
  bool skip_special = false;  // leave control tokens out
};

class Tokenizer {
 public:
  // Validates `spec` (ranges of ids, lengths, byte tokens, merges) and builds the indexes.
  // Warns on `log` about a missing pre-tokenizer name.
  static Result<std::unique_ptr<const Tokenizer>> create(const VocabSpec& spec, const Log& log);
  virtual ~Tokenizer() = default;

  // O(n log n) in text bytes. Invalid UTF-8 is encoded byte by byte, never refused or lost where
  // the vocabulary has bytes. Fails only when `text` is beyond 1 GiB.
  virtual Result<std::vector<TokenId>> encode(std::string_view text,
                                              EncodeOptions options) const = 0;

  // What encode() makes of any text of so many bytes has at least so many tokens, known without
  // looking at the text; 0 where a vocabulary's rules shorten texts, as those that normalise do.
  virtual uint64_t least_tokens(size_t n_text_bytes) const = 0;

  // Exact bytes of all tokens in order (leading-space rules of the kind applied). Ids must be in
  // range.
  std::string decode(std::span<const TokenId> ids, DecodeOptions options) const;

  // The bytes that one token stands for when it continues a text; control tokens give their text.
  virtual std::string_view token_bytes(TokenId id) const = 0;
  // The token with exactly this text as the file stores it, or kNoToken.
  virtual TokenId find(std::string_view text) const = 0;
  virtual TokenType type(TokenId id) const = 0;
  virtual bool is_end_of_generation(TokenId id) const = 0;
  virtual const SpecialTokens& special() const = 0;
  virtual uint32_t vocab_size() const = 0;
  virtual TokenizerKind kind() const = 0;
  virtual bool adds_bos() const = 0;
  // True when encode puts a space before each stretch of plain text (SentencePiece's dummy prefix)
  // and decode drops it again: one space at the start and after each special token.
  virtual bool strips_leading_space() const = 0;
};

}  // namespace quern
