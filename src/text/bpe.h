// Byte-level BPE ("gpt2" in GGUF files) and its raw UTF-8 variant (gemma4): text is cut by the
// pre-tokenizer of the file, each piece is merged from bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "text/vocab.h"
#include "text/word_model.h"

namespace quern {

// Builds the model of a file's tokens, merges and pre-tokenizer name (see resolve_pre for missing
// and unknown ones). The spec's texts may die afterwards. Merges of texts that are not tokens are
// left out, with a warning.
Result<std::unique_ptr<const WordModel>> make_bpe_model(const VocabSpec& spec, const Log& log);

// The bytes that a token of byte-level BPE stands for: each byte is stored as one printable
// character, as GPT-2 maps them. A text with any other character stands for its own bytes.
std::string decode_byte_level(std::string_view mapped);
// The same, appended to `out`; false when the text was not mapped.
bool append_byte_level(std::string_view mapped, std::string& out);

}  // namespace quern
