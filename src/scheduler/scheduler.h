// Scheduler: decides which tokens of which sequences the next forward pass computes.
// Pure and deterministic: time is passed in, it has no clock, threads or tensors. Not thread-safe,
// the engine thread owns it. Owns the sequences from add() until take_finished(); borrows the pool
// and the prefix cache. schedule() and commit() do not allocate once their vectors have grown.
//
// One step:   schedule(now, batch) -> forward(batch) and sampling -> commit(results, now)
//
// Within a step:
//   1. Deadlines that passed end their sequences; expire(id, now) also before a token is drawn.
//   2. Admission, in rank order (ranking.h). A sequence starts when a place is free and the pool
//   has
//      blocks for all its tokens plus one for each running sequence, which may need it next. If
//      not, running sequences of lower priority make room; if that would not be enough, nobody
//      behind the first in line starts either, so a large request is not overtaken for ever.
//   3. Every running sequence with one token left gets its row. When the pool is empty, the running
//      sequence that ranks last is preempted: its blocks are released, it waits again and computes
//      its tokens anew (most are still in the prefix cache). Rows are given in rank order, so the
//      first in rank always advances: with a finite number of better arrivals everyone finishes.
//   4. Prompts fill what is left of the token budget, in rank order, in chunks.
//
// Cancelling, adding and expiring are allowed between any two calls, also between schedule() and
// commit(); commit() then skips what is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "cache/block_pool.h"
#include "cache/prefix_cache.h"
#include "scheduler/batch.h"
#include "scheduler/ranking.h"
#include "scheduler/sequence.h"

namespace quern {

struct SchedulerConfig {
  uint32_t max_seqs = 64;                 // running at once
  uint32_t max_batch_tokens = 512;        // rows of a batch, at least max_seqs
  uint32_t prefill_chunk = 512;           // of these, at most this many for prompts in one step
  uint32_t max_context = 2048;            // tokens of one sequence; must fit into the pool
  uint32_t max_queue = 1024;              // waiting sequences
  uint64_t max_queue_tokens = 1'000'000;  // and the sum of their tokens, unless it is only one
  RankingConfig ranking{};
};

enum class AddOutcome {
  accepted,
  queue_full,         // max_queue is reached
  queue_tokens_full,  // max_queue_tokens would be exceeded
  empty_prompt,
  too_long,  // no room in the context for the prompt and a first token
};

// What sampling decided about one sequence of the batch.
struct StepResult {
  SeqId seq{};
  TokenId token = kNoToken;
  // Ends the sequence after this token. With FinishReason::error the step counts as not computed,
  // and nothing of the sequence is reused from the prefix cache.
  std::optional<FinishReason> finish{};
};

using SequencePtr = std::unique_ptr<Sequence>;

class Scheduler {
 public:
  static Result<Scheduler> create(const SchedulerConfig& config, BlockPool& pool,
                                  PrefixCache& cache);

  // Takes the sequence over if it is accepted. Its id must not be in use. In a full queue it takes
  // the place of the newest of the least important that have not started, if these matter less;
  // they finish with FinishCause::displaced.
  AddOutcome add(Sequence sequence);

  // Plans the next step and fills the batch; false if there is nothing to compute. Every schedule()
  // that returned true is followed by commit() or discard_step().
  bool schedule(int64_t now_us, Batch& out);
  // Results in the order of the batch: one for each sequence whose last token was computed (unless
  // its max_tokens is 0 or it ended meanwhile), and one without a token for others that failed.
  void commit(std::span<const StepResult> results, int64_t now_us);
  // The batch was not computed; the next schedule() plans it anew.
  void discard_step() { plan_.clear(); }

  // Ends a sequence; false if it is not here (any more).
  bool finish(SeqId id, FinishReason reason, int64_t now_us);
  bool cancel(SeqId id, int64_t now_us) { return finish(id, FinishReason::cancelled, now_us); }
  // Ends what has missed a deadline.
  void expire(int64_t now_us);
  // Ends this sequence if it has missed one, and says so. Between the forward pass and a draw it
  // keeps a token from being handed out late, so that a deadline holds within the step it passes
  // in.
  bool expire(SeqId id, int64_t now_us);

  // Hands over the sequences that ended since the last call; out is cleared first.
  void take_finished(std::vector<SequencePtr>& out);

  // The engine adapts the chunk to its aim for the time of a step; at least 1.
  void set_prefill_chunk(uint32_t n_tokens);

  bool has_work() const { return !waiting_.empty() || !running_.empty(); }
  const Sequence* find(SeqId id) const { return lookup(id); }
  std::span<const SequencePtr> waiting() const { return waiting_; }  // in no order
  std::span<const SequencePtr> running() const { return running_; }  // in rank order
  uint64_t n_waiting_tokens() const { return n_waiting_tokens_; }
  uint64_t n_preemptions() const { return n_preemptions_; }

  // Verifies the pool, the prefix cache, and that the tables' references are the pool's. For idle
  // steps: O(blocks).
  Status check() const;

 private:
  // One sequence's rows in the step that is being computed; null once it ended meanwhile.
  struct PlannedRows {
    Sequence* sequence = nullptr;
    SeqId id{};
    uint32_t n_rows = 0;
  };

  Scheduler(const SchedulerConfig& config, BlockPool& pool, PrefixCache& cache);

  // scheduler.cpp: queue, ends and accounts.
  Sequence* lookup(SeqId id) const;
  AddOutcome make_queue_room(const Sequence& arrival);
  bool exceeds_queue_tokens(uint64_t n_tokens) const;
  Sequence* newest_of_least_important(int32_t than_priority);
  void prepare(Sequence& sequence) const;
  void end(Sequence& sequence, FinishReason reason, int64_t now_us);
  void collect_finished();
  FinishCause missed_deadline(const Sequence& sequence, int64_t now_us) const;
  bool end_if_late(Sequence& sequence, int64_t now_us);
  Status check_references() const;

  // admission.cpp: who runs.
  void update_ranks(int64_t now_us);
  void admit(int64_t now_us);
  size_t first_in_line() const;
  bool fits(Sequence& sequence) const;
  bool make_room(Sequence& sequence);
  bool could_make_room(Sequence& sequence) const;
  uint32_t n_blocks_needed(Sequence& sequence) const;
  void start(size_t waiting_index, int64_t now_us);
  void preempt_last();

  // step.cpp: what a step computes.
  void plan_decodes();
  bool grow(Sequence& sequence);
  void plan_prefills();
  uint32_t chunk_rows(const Sequence& sequence, uint32_t budget) const;
  void attach_cached(Sequence& sequence);
  bool repeats_planned_work(Sequence& sequence) const;
  void fill(Batch& out) const;
  void append_rows(const PlannedRows& rows, Batch& out) const;
  void commit_rows(const PlannedRows& rows, const StepResult* result, int64_t now_us);

  SchedulerConfig config_;
  BlockPool* pool_;
  PrefixCache* cache_;
  std::vector<SequencePtr> waiting_;
  std::vector<SequencePtr> running_;
  std::vector<SequencePtr> finished_;
  std::vector<PlannedRows> plan_;
  uint64_t n_waiting_tokens_ = 0;
  uint64_t n_preemptions_ = 0;
  mutable std::vector<uint32_t> n_refs_scratch_;  // [n_blocks], for check()
};

}  // namespace quern
