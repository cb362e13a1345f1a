// Engine: runs many requests on one model, step by step: schedule, forward, sample, commit, emit.
// prepare() may be called from any thread, also during a step; everything else from one thread.
// Callbacks run on that thread, inside step(), submit(), enqueue() and hand_over(), and must not
// call back into the engine. Borrows the model, which must outlive it; owns the KV memory.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/fail_point.h"
#include "base/result.h"
#include "cache/block_pool.h"
#include "cache/prefix_cache.h"
#include "engine/engine_request.h"
#include "engine/loaded_model.h"
#include "engine/request.h"
#include "engine/step_pacer.h"
#include "sampling/sampler.h"
#include "scheduler/scheduler.h"

namespace quern {

struct EngineConfig {
  uint32_t max_context = 0;  // longest request; 0: the model's, lowered to what the memory holds
  uint64_t kv_bytes = 0;     // the pool; 0: max_seqs contexts, at most half of the memory available
  KvDType kv_dtype = KvDType::f16;
  uint32_t max_seqs = 16;  // running at once
  bool prefix_cache = true;
  uint32_t max_queue = 1024;              // waiting requests
  uint64_t max_queue_tokens = 1'000'000;  // and the sum of their tokens, unless it is only one
  // Hit: allocation by enqueue(); by each step of a batch stuck_step and kernel_result; nan_logits
  // whenever a token is to be drawn.
  FailPoints* fail_points = nullptr;
};

struct EngineStats {
  uint64_t n_steps = 0;
  uint64_t n_failed_steps = 0;   // ended by an error or an exception
  uint64_t n_prompt_tokens = 0;  // computed
  uint64_t n_generated_tokens = 0;
  uint64_t n_preemptions = 0;
  uint64_t n_cache_query_tokens = 0;
  uint64_t n_cache_hit_tokens = 0;
  uint32_t kv_blocks_used = 0;
  uint32_t kv_blocks_free = 0;
  uint32_t kv_blocks_cached = 0;
  uint32_t kv_blocks_ever_used = 0;
  uint32_t kv_blocks_total = 0;
  uint64_t kv_block_bytes = 0;
  // Faults that occurred, ordered or not, by FailPoint: allocation (requests refused),
  // kernel_result (steps that failed), nan_logits (requests ended by them). The others are not the
  // engine's to see.
  std::array<uint64_t, kFailPointCount> n_faults{};
};

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> create(LoadedModel& loaded, const EngineConfig& config);

  uint32_t max_context() const { return max_context_; }
  const EngineConfig& config() const { return config_; }

  // Checks a request and makes what it needs: all of its admission that takes time and no queue.
  // Errors: an empty prompt, one longer than the context, an id or a parameter out of range.
  struct Arrival {
    SeqId id{};  // not in use
    int64_t time_us = 0;
  };
  Result<EngineRequestPtr> prepare(Request request, const Arrival& arrival) const;
  // Queues it. When the queue is full or memory short, its last event comes at once.
  void enqueue(EngineRequestPtr prepared);
  // Both at once, for users with one thread.
  Result<SeqId> submit(Request request);

  // Computes one step; false when there was nothing to do. A failure inside ends the requests of
  // the step with an error.
  bool step();
  bool has_work() const { return scheduler_->has_work(); }
  // Ends a request; its last event comes with the next step() or hand_over(). False if it is not
  // here any more.
  bool cancel(SeqId id);
  void cancel_all();
  // The last events of requests that ended between steps.
  void hand_over();

  // For the next steps: prompt tokens of one step at most.
  void set_prefill_chunk(uint32_t n_tokens) { scheduler_->set_prefill_chunk(n_tokens); }
  StepDemand demand() const;
  // What the last step that computed something did.
  StepRows last_rows() const;

  std::span<const SequencePtr> running() const { return scheduler_->running(); }
  // The block pool's and the cache's integrity; for idle times.
  Status check() const { return scheduler_->check(); }
  EngineStats stats() const;

 private:
  Engine(LoadedModel& loaded, const EngineConfig& config) : loaded_(loaded), config_(config) {}
  Status make_pool();
  Status check_request(const Request& request) const;

  // engine_step.cpp
  void compute_batch();
  Status forward();
  void fail_batch(const Error& error);
  void fail_running(const Error& error);
  void count_fault(FailPoint point) { ++stats_.n_faults[static_cast<size_t>(point)]; }
  void sample_batch();
  void sample_sequence(const BatchSequence& rows, uint32_t logit_index);
  void take_hidden(EngineRequest& live, const BatchSequence& rows, uint32_t logit_index);
  void take_logits(EngineRequest& live, const BatchSequence& rows, uint32_t logit_index);
  void draw(EngineRequest& live, const Sequence& sequence);
  void emit(EngineRequest& live, const SampleResult& sample, StepResult& result);
  bool tell(EngineRequest& live, const TokenEvent& event);
  void tell_finished(EngineRequest& live, const Sequence& sequence);

  LoadedModel& loaded_;
  EngineConfig config_;
  uint32_t max_context_ = 0;
  uint64_t block_bytes_ = 0;
  std::unique_ptr<KvStorage> kv_;
  // The cache must go before the pool, the scheduler before both.
  std::unique_ptr<BlockPool> pool_;
  std::unique_ptr<PrefixCache> cache_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unordered_map<uint64_t, EngineRequestPtr> live_;
  uint64_t next_id_ = 1;  // of submit()

  Batch batch_;
  std::vector<StepResult> results_;
  std::vector<SequencePtr> finished_;
  std::vector<SeqId> failed_;
  uint32_t n_words_ = 0;       // tokens that the tokenizer knows; the embedding may have more rows
  std::vector<float> logits_;  // [vocab_size], of one row
  std::vector<float> hidden_;  // [d_model], of one row
  std::unique_ptr<SamplerScratch> scratch_;
  EngineStats stats_;
};

}  // namespace quern
