// Pre-tokenizers of byte-level BPE: how each `tokenizer.ggml.pre` name cuts text into pieces that
// merges never cross. The expressions are those that the models publish in their tokenizer.json;
// each stage of a sequence cuts the pieces of the stage before ("isolated" splits). The matchers
// are written by hand so that every one is linear in the text. Immutable, thread-safe, static.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace quern {

// Takes the ends of pieces in order and hands them on in batches.
class PieceSink {
 public:
  static constexpr size_t kBatch = 256;

  PieceSink() = default;
  PieceSink(const PieceSink&) = delete;
  PieceSink& operator=(const PieceSink&) = delete;
  virtual ~PieceSink() = default;

  // A piece ends at byte `end` of the text; the next one starts there.
  void push(size_t end) {
    ends_[n_++] = static_cast<uint32_t>(end);
    if (n_ == kBatch) {
      flush();
    }
  }
  // Hands on what is left. The caller of a split calls this once, after it.
  void flush() {
    take(ends_.data(), n_);
    n_ = 0;
  }

 protected:
  virtual void take(const uint32_t* ends, size_t n_ends) = 0;

 private:
  std::array<uint32_t, kBatch> ends_{};
  size_t n_ = 0;
};

// Cuts all of `text` (below 4 GiB) into non-empty pieces. Bytes that are not UTF-8 count as U+FFFD,
// one each.
using SplitFunction = void (*)(std::string_view text, PieceSink& sink);

// What a name in a file stands for: the split, and the rules that go with it unless the file's own
// flags say otherwise.
struct PreTokenizer {
  std::string_view name;       // as files write it
  std::string_view canonical;  // the family's own name, shared by its aliases
  SplitFunction split = nullptr;
  bool ignore_merges = false;  // a piece that is a token is that token, whatever the merges say
  bool add_bos = false;        // default of add_bos
  bool add_sep = false;        // default of add_sep
  bool clean_spaces = true;    // whether the model's own decoder tidies spaces before punctuation
  bool no_bos = false;         // the kind has no BOS even where the general default names one
  // false: tokens are plain UTF-8 with <0xXX> for bytes (SentencePiece's way), not mapped bytes.
  bool byte_level = true;
  bool escape_spaces = false;   // ' ' becomes U+2581 before the split, and back when decoding
  bool whole_newlines = false;  // a run of newlines that is a token is that token
};

// The entry for a file's name. Empty: "default", with a warning. Unknown: an error that lists the
// known names, or "default" with a warning where `allow_unknown`.
Result<const PreTokenizer*> resolve_pre(std::string_view name_from_file, bool allow_unknown,
                                        const Log& log);

// Every name that resolve_pre knows, sorted.
std::vector<std::string_view> known_pre_names();

// The pieces of `text`, for tests and small uses.
std::vector<std::string_view> split_pieces(const PreTokenizer& pre, std::string_view text);

}  // namespace quern
