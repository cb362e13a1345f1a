// ExpertRouting: which experts work on which rows of a batch, in the order in which they are run.
// Not thread-safe, but for choose() on different tokens. Owns its lists, sized by reserve();
// nothing else allocates.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace quern {

struct ChosenExpert {
  uint32_t expert = 0;
  float weight = 0;
};

struct ChooseArgs {
  std::span<const float> logits;  // [n_experts]
  bool normalise = true;          // the chosen weights add up to 1
  float scale = 1.0F;             // on every weight
};

// Fills `out` with the experts of the largest logits, of equal ones the lower number, in ascending
// order of their numbers. Weights are the softmax over all experts, or over the chosen ones where
// they are normalised, which is the same as dividing the former by their sum. With a NaN among the
// logits any experts may be chosen, and a weight is NaN.
void choose_experts(const ChooseArgs& args, std::span<ChosenExpert> out);

// Rows of one expert, side by side in expert order.
struct ExpertSegment {
  uint32_t expert = 0;
  uint32_t first_row = 0;
  uint32_t n_rows = 0;
};

// Experts whose rows are worked on together.
struct ExpertWave {
  uint32_t first_segment = 0;
  uint32_t last_segment = 0;
  uint32_t first_row = 0;
  uint32_t n_rows = 0;
};

class ExpertRouting {
 public:
  struct Limits {
    uint32_t max_tokens = 0;
    uint32_t n_experts = 0;
    uint32_t n_used = 0;
  };
  // Never shrinks.
  void reserve(const Limits& limits);

  // At most so many; n_used experts each. Then choose() for every token, then sort().
  void begin(uint32_t n_tokens, uint32_t n_used);
  void choose(uint32_t token, const ChooseArgs& args);
  // Rows are (token, expert) pairs, by expert and within it by token. A wave takes whole experts
  // of at most max_tokens rows together.
  void sort();

  uint32_t n_tokens() const { return n_tokens_; }
  std::span<const ExpertSegment> segments() const { return segments_; }
  std::span<const ExpertWave> waves() const { return waves_; }
  uint32_t token_of(uint32_t row) const { return token_of_[row]; }
  // A token's experts, ascending, and their rows.
  std::span<const ChosenExpert> chosen(uint32_t token) const {
    return std::span(chosen_).subspan(size_t{token} * n_used_, n_used_);
  }
  std::span<const uint32_t> rows_of(uint32_t token) const {
    return std::span(row_of_).subspan(size_t{token} * n_used_, n_used_);
  }

 private:
  void add_segment(const ExpertSegment& segment);

  Limits limits_;
  uint32_t n_tokens_ = 0;
  uint32_t n_used_ = 0;
  std::vector<ChosenExpert> chosen_;  // [max_tokens, n_used]
  std::vector<uint32_t> row_of_;      // [max_tokens, n_used]
  std::vector<uint32_t> token_of_;    // [max_tokens * n_used]
  std::vector<uint32_t> next_row_;    // [n_experts]
  std::vector<ExpertSegment> segments_;
  std::vector<ExpertWave> waves_;
};

}  // namespace quern
