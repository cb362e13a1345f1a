// SentencePiece BPE ("llama" vocabularies): characters are merged to the best-scoring token that
// two neighbours form, leftmost first, until none is left; what is no token falls back to bytes.
// Source: Kudo and Richardson, "SentencePiece", EMNLP 2018; its bpe_model.cc defines the order.
#pragma once

#include <memory>

#include "base/result.h"
#include "text/vocab_table.h"
#include "text/word_model.h"

namespace quern {

struct SpmOptions {
  bool add_space_prefix = true;    // a space before each stretch of text
  bool escape_whitespaces = true;  // spaces become U+2581
  TokenId unk = kNoToken;          // stands for bytes that the vocabulary lacks
};

// Borrows `tokens`, which must outlive the model.
std::unique_ptr<const WordModel> make_spm_model(const VocabTable& tokens, SpmOptions options);

}  // namespace quern
