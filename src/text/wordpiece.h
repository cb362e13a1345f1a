// WordPiece ("bert" vocabularies): text is cleaned, lower-cased, stripped of accents and cut at
// spaces, punctuation and CJK characters; each word becomes its longest tokens from the left, or
// the unknown token as a whole.
// Source: Devlin et al., "BERT", 2018, and its reference BasicTokenizer. GGUF files mark word
// starts with U+2581 where BERT marks continuations with "##".
#pragma once

#include <memory>

#include "base/result.h"
#include "text/vocab_table.h"
#include "text/word_model.h"

namespace quern {

struct WordPieceOptions {
  bool lowercase = true;
  bool strip_accents = true;
  TokenId unk = kNoToken;
};

// Copies what it needs of `tokens`.
Result<std::unique_ptr<const WordModel>> make_wordpiece_model(const VocabTable& tokens,
                                                              WordPieceOptions options);

}  // namespace quern
