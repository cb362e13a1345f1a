// One step: schedule, run, sample, commit, emit. What fails inside is the end of its requests,
// never of the engine.
#include "engine/engine.h"

#include <algorithm>
#include <limits>

#include "base/system_info.h"
#include "engine/current_error.h"
#include "sampling/usable_logits.h"

namespace quern {

bool Engine::step() {
  bool has_batch = false;
  try {
    has_batch = scheduler_->schedule(monotonic_us(), batch_);
    if (has_batch) {
      compute_batch();
      scheduler_->commit(results_, monotonic_us());
      ++stats_.n_steps;
    }
  } catch (...) {
    fail_running(current_error("engine"));
  }
  hand_over();
  return has_batch;
}

void Engine::compute_batch() {
  results_.clear();
  Status status;
  try {
    status = forward();
    if (status) {
      sample_batch();
    }
  } catch (...) {
    status = fail(current_error("engine"));
  }
  if (!status) {
    fail_batch(status.error());
  }
}

Status Engine::forward() {
  block_at(config_.fail_points, FailPoint::stuck_step);
  if (fails_at(config_.fail_points, FailPoint::kernel_result)) {
    return fail({.kind = ErrorKind::device,
                 .where = "engine",
                 .what = "the device failed in a step (fail point kernel_result)",
                 .expected = "a retry"});
  }
  return loaded_.model().forward(batch_, *kv_);
}

// The device's memory is in doubt for all rows of the step: nobody in it goes on.
void Engine::fail_batch(const Error& error) {
  count_fault(FailPoint::kernel_result);
  ++stats_.n_failed_steps;
  results_.clear();
  for (const BatchSequence& rows : batch_.sequences) {
    live_.at(value(rows.seq))->set_error(error);
    results_.push_back({.seq = rows.seq, .token = kNoToken, .finish = FinishReason::error});
  }
}

// The scheduler itself ran out of memory: its plan is void, and what runs ends.
void Engine::fail_running(const Error& error) {
  ++stats_.n_failed_steps;
  scheduler_->discard_step();
  failed_.clear();
  for (const SequencePtr& sequence : scheduler_->running()) {
    failed_.push_back(sequence->id);
  }
  for (const SeqId id : failed_) {
    live_.at(value(id))->set_error(error);
    scheduler_->finish(id, FinishReason::error, monotonic_us());
  }
}

void Engine::sample_batch() {
  uint32_t logit_index = 0;
  for (const BatchSequence& rows : batch_.sequences) {
    sample_sequence(rows, logit_index);
    while (logit_index < batch_.logit_rows.size() &&
           batch_.logit_rows[logit_index] < rows.first_row + rows.n_rows) {
      ++logit_index;
    }
  }
}

// Draws a sequence's next token if its last row's logits were computed, and no deadline has passed
// since the step began.
void Engine::sample_sequence(const BatchSequence& rows, uint32_t logit_index) {
  EngineRequest& live = *live_.at(value(rows.seq));
  const Sequence& sequence = *scheduler_->find(rows.seq);
  stats_.n_prompt_tokens += sequence.is_decoding() && sequence.n_generated() > 0 ? 0 : rows.n_rows;
  if (scheduler_->expire(rows.seq, monotonic_us())) {
    return;
  }
  try {
    if (live.request.on_hidden) {
      take_hidden(live, rows, logit_index);
    } else {
      take_logits(live, rows, logit_index);
    }
    const bool is_complete = rows.position + rows.n_rows == sequence.n_tokens();
    if (is_complete && sequence.max_tokens > 0) {
      draw(live, sequence);
    }
  } catch (...) {
    live.set_error(current_error("request"));
    results_.push_back({.seq = rows.seq, .token = kNoToken, .finish = FinishReason::error});
  }
}

void Engine::take_hidden(EngineRequest& live, const BatchSequence& rows, uint32_t logit_index) {
  for (uint32_t i = 0; i < rows.n_rows; ++i) {  // every row of such a sequence is listed
    const uint32_t position = rows.position + i;
    if (position == live.n_logits_told) {  // after a preemption the rows are computed once more
      loaded_.model().hidden(logit_index + i, hidden_);
      ++live.n_logits_told;
      live.request.on_hidden(position, hidden_);
    }
  }
}

// Leaves the logits of the sequence's last row in logits_, if there are any.
void Engine::take_logits(EngineRequest& live, const BatchSequence& rows, uint32_t logit_index) {
  const uint32_t end = rows.first_row + rows.n_rows;
  for (; logit_index < batch_.logit_rows.size() && batch_.logit_rows[logit_index] < end;
       ++logit_index) {
    loaded_.model().logits(logit_index, logits_);
    const uint32_t position = rows.position + batch_.logit_rows[logit_index] - rows.first_row;
    // After a preemption the rows are computed once more.
    if (live.request.on_logits && position == live.n_logits_told && position < live.n_prompt) {
      ++live.n_logits_told;
      live.request.on_logits(position, logits_);
    }
  }
}

void Engine::draw(EngineRequest& live, const Sequence& sequence) {
  if (fails_at(config_.fail_points, FailPoint::nan_logits)) {
    std::ranges::fill(logits_, std::numeric_limits<float>::quiet_NaN());
  }
  StepResult result{.seq = sequence.id, .token = kNoToken, .finish = {}};
  const auto sample =
      live.sampler.sample({.logits = std::span<const float>(logits_).first(n_words_),
                           .token_index = sequence.n_generated()},
                          *scratch_);
  if (sample) {
    emit(live, *sample, result);
    ++stats_.n_generated_tokens;
  } else {
    if (!are_usable(std::span<const float>(logits_).first(n_words_))) {
      count_fault(FailPoint::nan_logits);
    }
    live.set_error(sample.error());
    result.finish = FinishReason::error;
  }
  results_.push_back(result);
}

// Tells the caller of a token, and the scheduler whether it ends the answer.
void Engine::emit(EngineRequest& live, const SampleResult& sample, StepResult& result) {
  result.token = sample.token;
  live.sampler.accept(sample.token);
  TokenEvent event{
      .id = result.seq, .token = sample.token, .text = {}, .sample = &sample, .error = {}};
  Detokenizer::Chunk chunk;
  if (loaded_.tokenizer().is_end_of_generation(sample.token) ||
      std::ranges::find(live.request.stop_tokens, sample.token) != live.request.stop_tokens.end()) {
    result.finish = FinishReason::stop;
  } else {
    chunk = live.detokenizer.push(sample.token);
    if (chunk.stop) {
      result.finish = FinishReason::stop;
    }
  }
  event.text = chunk.text;
  if (!tell(live, event)) {
    result.finish = FinishReason::error;
  }
}

// False when the callback threw, which ends its request.
bool Engine::tell(EngineRequest& live, const TokenEvent& event) {
  try {
    if (live.request.on_event) {
      live.request.on_event(event);
    }
    return true;
  } catch (...) {
    live.set_error(current_error("request"));
    return false;
  }
}

void Engine::hand_over() {
  scheduler_->take_finished(finished_);
  for (const SequencePtr& sequence : finished_) {
    const auto found = live_.find(value(sequence->id));
    tell_finished(*found->second, *sequence);
    live_.erase(found);
  }
  finished_.clear();
}

void Engine::tell_finished(EngineRequest& live, const Sequence& sequence) {
  std::string rest;
  try {
    if (!live.detokenizer.stopped()) {
      rest = live.detokenizer.flush().text;
    }
  } catch (...) {
    live.set_error(current_error("request"));  // the answer's last characters are lost
  }
  const bool refused = live.error.empty() && !why_refused(sequence.finish_cause).empty();
  tell(live, {.id = sequence.id,
              .token = kNoToken,
              .text = rest,
              .finish = sequence.finish_reason,
              .cause = sequence.finish_cause,
              .error = refused ? why_refused(sequence.finish_cause) : live.error,
              .error_kind = refused ? ErrorKind::out_of_memory : live.error_kind,
              .usage = {.prompt_tokens = sequence.n_prompt,
                        .cached_tokens = sequence.n_cached_tokens,
                        .completion_tokens = sequence.n_generated(),
                        .arrival_us = sequence.arrival_us,
                        .started_us = sequence.started_us,
                        .first_token_us = sequence.first_token_us,
                        .finished_us = sequence.finished_us}});
}

StepRows Engine::last_rows() const {
  StepRows sum;
  for (const BatchSequence& rows : batch_.sequences) {
    if (rows.n_rows == 1) {
      ++sum.n_decode;
    } else {
      sum.n_prefill += rows.n_rows;
    }
  }
  return sum;
}

}  // namespace quern
