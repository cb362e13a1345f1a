// Engine: runs many requests on one model, step by step: schedule, forward, sample, commit, emit.
// Not thread-safe: one thread submits and steps. Callbacks run on that thread, inside step(), and
// must not call back into the engine. Borrows the model, which must outlive it; owns the KV memory.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fail_point.h"
#include "base/result.h"
#include "cache/block_pool.h"
#include "cache/prefix_cache.h"
#include "engine/loaded_model.h"
#include "engine/request.h"
#include "sampling/sampler.h"
#include "scheduler/scheduler.h"
#include "text/detokenizer.h"

namespace quern {

struct EngineConfig {
  uint32_t max_context = 0;  // longest request; 0: the model's, lowered to what kv_bytes holds
  uint64_t kv_bytes = 0;     // the pool; 0: room for max_context and one block
  KvDType kv_dtype = KvDType::f16;
  uint32_t max_seqs = 16;
  bool prefix_cache = true;
  // Hit: allocation by submit(); by each step of a batch stuck_step and kernel_result; nan_logits
  // whenever a token is to be drawn.
  FailPoints* fail_points = nullptr;
};

struct EngineStats {
  uint64_t n_steps = 0;
  uint64_t n_prompt_tokens = 0;  // computed
  uint64_t n_generated_tokens = 0;
  uint64_t n_preemptions = 0;
  uint64_t n_cache_query_tokens = 0;
  uint64_t n_cache_hit_tokens = 0;
  uint32_t kv_blocks_used = 0;
  uint32_t kv_blocks_total = 0;
  // Faults that occurred, ordered or not, by FailPoint: allocation (requests refused),
  // kernel_result (steps that failed), nan_logits (requests ended by them). The others are not the
  // engine's to see.
  std::array<uint64_t, kFailPointCount> n_faults{};
};

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> create(LoadedModel& loaded, const EngineConfig& config);

  uint32_t max_context() const { return max_context_; }

  // Queues a request. Errors: an empty prompt, one longer than the context, a parameter out of
  // range, a full queue; out_of_memory, which may pass.
  Result<SeqId> submit(Request request);
  // Computes one step; false when there was nothing to do. A device's error ends the requests that
  // were in the step, logits that are no numbers the one they belong to; the others go on.
  bool step();
  bool has_work() const { return scheduler_->has_work(); }
  // Ends a request; its last event comes with the next step(). False if it is not here any more.
  bool cancel(SeqId id);
  EngineStats stats() const;

 private:
  // What belongs to a request besides its sequence.
  struct Live {
    Request request;
    Sampler sampler;
    Detokenizer detokenizer;
    std::string error;
    ErrorKind error_kind = ErrorKind::device;
  };

  Engine(LoadedModel& loaded, const EngineConfig& config) : loaded_(loaded), config_(config) {}
  Status make_pool();
  Status check_request(const Request& request) const;
  Result<SeqId> add(SeqId id, Request request);
  Status forward();
  void fail_batch(const Error& error);
  void count_fault(FailPoint point) { ++stats_.n_faults[static_cast<size_t>(point)]; }
  void sample_batch();
  void sample_sequence(const BatchSequence& rows, uint32_t logit_index);
  void emit(Live& live, const SampleResult& sample, StepResult& result);
  void hand_over_finished();

  LoadedModel& loaded_;
  EngineConfig config_;
  uint32_t max_context_ = 0;
  std::unique_ptr<KvStorage> kv_;
  // The cache must go before the pool, the scheduler before both.
  std::unique_ptr<BlockPool> pool_;
  std::unique_ptr<PrefixCache> cache_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unordered_map<uint64_t, std::unique_ptr<Live>> live_;
  uint64_t next_id_ = 1;

  Batch batch_;
  std::vector<StepResult> results_;
  std::vector<SequencePtr> finished_;
  uint32_t n_words_ = 0;       // tokens that the tokenizer knows; the embedding may have more rows
  std::vector<float> logits_;  // [vocab_size], of one row
  std::unique_ptr<SamplerScratch> scratch_;
  EngineStats stats_;
};

}  // namespace quern
