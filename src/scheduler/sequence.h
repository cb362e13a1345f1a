// Sequence: a token stream being generated, from its arrival to its end. Plain data. The caller
// fills the first half and gives it to Scheduler::add, which owns it until it is finished and
// taken.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/ids.h"
#include "cache/block_table.h"
#include "scheduler/batch.h"
#include "scheduler/finish_reason.h"

namespace quern {

enum class SequenceState { waiting, running, finished };

// Which rows' logits are wanted: of the last token only, or of every token (perplexity). With `all`
// nothing is taken from the prefix cache, and after a preemption rows are listed once more, from
// position 0 on.
enum class LogitRows { last, all };

// KV blocks that hold n_tokens positions.
constexpr uint32_t n_kv_blocks(uint64_t n_tokens) {
  return static_cast<uint32_t>((n_tokens + kKvBlockTokens - 1) / kKvBlockTokens);
}

inline constexpr int64_t kNoDeadline = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kNever = -1;

// Points in time, on the clock of now_us.
struct Deadlines {
  int64_t queue_us = kNoDeadline;        // must have started by then
  int64_t first_token_us = kNoDeadline;  // must have a token by then
  int64_t total_us = kNoDeadline;        // must have ended by then
};

struct Sequence {
  // Set by the caller.
  SeqId id{};
  std::vector<TokenId> tokens{};  // the prompt; what is generated is appended
  uint32_t max_tokens = 0;        // to generate; 0: only the prompt is computed
  uint32_t max_context = 0;       // prompt and generated tokens; 0: the scheduler's limit
  int32_t priority = 0;           // lower is served earlier
  int64_t arrival_us = 0;
  Deadlines deadlines{};
  std::string cache_salt{};  // KV blocks are shared within one salt only
  LogitRows logit_rows = LogitRows::last;

  // Kept by the scheduler.
  SequenceState state = SequenceState::waiting;
  FinishReason finish_reason = FinishReason::error;  // once finished
  FinishCause finish_cause = FinishCause::none;
  int32_t effective_priority = 0;  // with ageing, as of the last schedule
  uint32_t n_prompt = 0;
  uint32_t n_computed = 0;       // leading tokens whose KV is in the blocks
  uint32_t n_cached_tokens = 0;  // prompt tokens that the prefix cache saved
  uint32_t n_preemptions = 0;
  int64_t started_us = kNever;  // first admission
  int64_t first_token_us = kNever;
  int64_t finished_us = kNever;
  BlockTable table{};

  uint32_t n_tokens() const { return static_cast<uint32_t>(tokens.size()); }
  uint32_t n_generated() const { return n_tokens() - n_prompt; }
  uint32_t n_remaining() const { return n_tokens() - n_computed; }
  // One token is left to compute: the newest, or the end of a prompt that the cache covers.
  bool is_decoding() const { return n_remaining() == 1; }
  bool was_started() const { return started_us != kNever; }
};

}  // namespace quern
