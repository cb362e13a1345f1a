// The tokens still in play during one draw, and the truncations that thin them out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "sampling/softmax.h"

namespace quern {

// A shrinking set of (token, logit), always in ascending token order, so that a draw does not
// depend on how a cut was found. Where a cut falls between equal logits, lower token ids stay. Not
// synchronised: one per sampling thread. Owns its buffers, borrows the logits given to start().
class Candidates {
 public:
  explicit Candidates(uint32_t vocab_size);

  // Begins with every token; logits: [<= vocab_size], must outlive the draw. Copies nothing: until
  // the first cut the set is the logits themselves.
  LogitScan start(std::span<const float> logits);

  size_t size() const { return logits_.size(); }
  std::span<const float> logits() const { return logits_; }
  TokenId token(size_t i) const { return TokenId{whole_ ? static_cast<int32_t>(i) : ids_[i]}; }
  float max() const { return max_; }
  // The highest logit's index, the lowest one of equals.
  size_t argmax() const;

  // The truncations, as sampler.h defines them. Each keeps at least one token.
  void keep_at_least(float threshold);  // logit >= threshold
  void keep_top_k(size_t k);
  void keep_top_p(float p);
  void keep_typical(float p);
  void remove_top_choices(float threshold);  // XTC, once its coin fell

  // The sum of weights of what is left; leaves the table that pick() reads.
  double weigh(Softmax softmax);
  // The index drawn by u in [0, 1), after weigh() with the same softmax.
  size_t pick(Softmax softmax, double u) const;

 private:
  // key: higher comes first, then the lower id.
  struct Entry {
    float key;
    int32_t id;
    float weight;
  };
  static bool before(const Entry& a, const Entry& b) {
    return a.key != b.key ? a.key > b.key : a.id < b.id;
  }
  // The head of an ordering that holds a given mass: strictly more than it, or at least it.
  struct MassGoal {
    double mass;
    bool strict;
    bool reached(double sum) const { return strict ? sum > mass : sum >= mass; }
  };

  template <typename Predicate>
  void keep_if(Predicate keep);
  void keep_at_least_from_whole(float threshold);
  // Writes first and counts after, because a branch on a logit is a coin toss. In place this is
  // safe: a kept token never moves up, so `to` is never past `from`.
  size_t push(size_t from, size_t to, bool keep) {
    ids_[to] = value(token(from));
    kept_logits_[to] = logits_[from];
    return to + (keep ? 1 : 0);
  }
  void finish(size_t n, float max);
  float block_threshold(size_t k);
  std::span<Entry> fill_entries(Softmax softmax);
  static Entry head_with_mass(std::span<Entry> entries, MassGoal goal);

  std::span<const float> logits_;
  bool whole_ = true;  // logits_ is still what start() got: index == token id
  float max_ = kNegInf;
  double total_ = 0.0;
  std::vector<int32_t> ids_;
  std::vector<float> kept_logits_;
  std::vector<float> block_max_;  // valid while whole_
  std::vector<float> block_order_;
  std::vector<double> block_sums_;
  std::vector<Entry> entries_;
};

}  // namespace quern
