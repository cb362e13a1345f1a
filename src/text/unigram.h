// SentencePiece Unigram ("t5" vocabularies): text is normalised, then cut into the tokens whose
// scores (log probabilities) have the greatest sum, by Viterbi's algorithm.
// Source: Kudo, "Subword Regularization", ACL 2018; SentencePiece's unigram_model.cc for the
// penalty of unknown characters and the score of user-defined tokens.
#pragma once

#include <memory>
#include <span>

#include "base/result.h"
#include "text/vocab_table.h"
#include "text/word_model.h"

namespace quern {

struct UnigramOptions {
  std::span<const std::byte> precompiled_charsmap;  // copied
  bool add_space_prefix = false;
  bool remove_extra_whitespaces = false;
  bool escape_whitespaces = true;
  TokenId unk = kNoToken;
};

// Borrows `tokens`, which must outlive the model.
Result<std::unique_ptr<const WordModel>> make_unigram_model(const VocabTable& tokens,
                                                            const UnigramOptions& options);

}  // namespace quern
