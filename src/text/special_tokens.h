// Which tokens begin, end and separate texts: what the file says, completed by the defaults of the
// tokenizer's kind and by texts that published models use, because many files leave them out.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "text/vocab.h"
#include "text/vocab_table.h"

namespace quern {

// Settles the special ids; in the result, end_of_generation is the whole set, sorted. Ids from the
// file that are out of range are an error. Also settles types: a token with a well-known text such
// as "<|im_end|>" is a control token even where the file calls it normal.
Result<SpecialTokens> resolve_special_tokens(const VocabSpec& spec, VocabTable& tokens,
                                             const Log& log);

}  // namespace quern
