// Detokenizer: turns the tokens of one answer, as they come, into text that is safe to show: whole
// UTF-8 characters only, and nothing that a stop string could still take back.
// What is emitted in all does not depend on how the text is cut into tokens (but for min_tokens).
// Not thread-safe; one per sequence. Cheap to copy. Borrows the tokenizer; the stop strings are
// shared between copies because they never change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "text/aho_corasick.h"
#include "text/tokenizer.h"

namespace quern {

struct DetokenizerOptions {
  std::vector<std::string> stop = {};  // empty strings are ignored
  bool skip_special = true;            // leave control tokens out
  bool at_text_start = false;          // drop the leading space that the tokenizer's kind adds
  uint64_t min_tokens = 0;             // a stop string that one of the first so many ends is text
};

class Detokenizer {
 public:
  struct Chunk {
    std::string text;            // valid UTF-8, may be empty
    std::optional<size_t> stop;  // the stop string (its index in the options) that ended the answer
  };

  explicit Detokenizer(const Tokenizer& tokenizer, const DetokenizerOptions& options = {});

  // The stop string that is complete first counts; of those complete at once, the longest. The text
  // before it is emitted, it and what follows are not. Bytes that are no UTF-8 become U+FFFD, one
  // for each maximal part of a character. Holds back at most the longest stop string and 3 bytes.
  Chunk push(TokenId token);
  // What was held back, at the end of an answer. The object is done then.
  Chunk flush();
  bool stopped() const { return stop_.has_value(); }

 private:
  struct StopStrings {
    AhoCorasick finder;
    std::vector<size_t> n_bytes;
  };

  void take(std::string_view bytes, bool at_end);
  bool take_char(std::string_view character);
  Chunk release(size_t n_kept);

  const Tokenizer* tokenizer_;
  std::shared_ptr<const StopStrings> stops_;
  std::string partial_;  // the beginning of a character, at most 3 bytes
  std::string held_;     // whole characters, not emitted yet
  AhoCorasick::State state_ = AhoCorasick::kStart;
  std::optional<size_t> stop_;
  uint64_t min_tokens_;
  uint64_t n_tokens_ = 0;  // pushed
  bool skip_special_;
  bool strip_;
};

}  // namespace quern
