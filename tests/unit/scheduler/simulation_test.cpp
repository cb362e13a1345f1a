// Random events by the hundred thousand on tiny pools, with every invariant checked after each.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "fake_model.h"

namespace quern {
namespace {

struct SimulationConfig {
  uint32_t seed = 0;
  uint32_t n_blocks = 0;
  SchedulerConfig scheduler{};
};

// What one run saw. Compared between runs, so it holds the whole course in a hash.
struct Trace {
  uint64_t hash = 0;
  uint64_t n_events = 0;
  uint64_t n_steps = 0;
  uint64_t n_preemptions = 0;
  uint64_t n_hit_tokens = 0;
  uint64_t n_completed_after_preemption = 0;
  uint64_t n_refused = 0;
  std::map<std::string, uint64_t> n_ended{};

  void add(uint64_t x) { hash = FakeModel::mix(hash ^ x, TokenId{1}); }
  bool operator==(const Trace&) const = default;
};

constexpr std::array kPriorities = {-10, 0, 0, 0, 3, 10};

class Simulation {
 public:
  explicit Simulation(const SimulationConfig& config)
      : config_(config),
        pool_(config.n_blocks),
        cache_(pool_, {.n_block_tokens = kKvBlockTokens, .seed = config.seed}),
        scheduler_(*Scheduler::create(config.scheduler, pool_, cache_)),
        model_(config.n_blocks),
        rng_(config.seed) {}

  void run(int n_events) {
    for (int i = 0; i < n_events && !::testing::Test::HasFatalFailure(); ++i) {
      now_us_ += random(0, 30'000);
      random_event();
      after_event();
    }
    drain();
    trace_.n_preemptions = scheduler_.n_preemptions();
    trace_.n_hit_tokens = cache_.n_hit_tokens();
  }

  const Trace& trace() const { return trace_; }

 private:
  uint32_t random(uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>(rng_() % (high - low + 1));
  }
  bool chance(uint32_t percent) { return random(1, 100) <= percent; }

  void random_event() {
    ++trace_.n_events;
    const uint32_t kind = random(1, 100);
    if (kind <= 25) {
      add();
    } else if (kind <= 28) {
      cancel_any();
    } else if (kind <= 30) {
      scheduler_.expire(now_us_);
    } else {
      step();
    }
  }

  // Prompts that branch off four common texts, some of them up to the whole context.
  std::vector<TokenId> random_prompt() {
    const uint32_t text = random(0, 3);
    const uint32_t n_most = config_.scheduler.max_context;
    const uint32_t n_tokens = chance(80) ? random(1, n_most / 2) : random(1, n_most);
    const uint32_t n_common = random(0, n_tokens);
    std::vector<TokenId> tokens;
    for (uint32_t i = 0; i < n_tokens; ++i) {
      const uint32_t token = i < n_common ? (text * 17 + i * (text + 1)) % 49 : random(0, 48);
      tokens.push_back(TokenId{static_cast<int32_t>(token) + 1});
    }
    return tokens;
  }

  int64_t random_deadline() { return chance(85) ? kNoDeadline : now_us_ + random(1, 2'000'000); }

  void add() {
    Sequence sequence{.id = SeqId{next_id_++},
                      .tokens = random_prompt(),
                      .max_tokens = random(0, 40),
                      .priority = kPriorities[random(0, 5)],
                      .arrival_us = now_us_,
                      .deadlines = {.queue_us = random_deadline(),
                                    .first_token_us = random_deadline(),
                                    .total_us = random_deadline()},
                      .cache_salt = chance(70) ? "" : "b",
                      .logit_rows = chance(5) ? LogitRows::all : LogitRows::last};
    const SeqId id = sequence.id;
    const AddOutcome outcome = scheduler_.add(std::move(sequence));
    trace_.add(static_cast<uint64_t>(outcome));
    if (outcome == AddOutcome::accepted) {
      live_.insert(id);
    } else {
      ++trace_.n_refused;
      EXPECT_NE(outcome, AddOutcome::empty_prompt);
    }
  }

  void cancel_any() {
    if (!live_.empty()) {
      auto victim = live_.begin();
      std::advance(victim, random(0, static_cast<uint32_t>(live_.size()) - 1));
      // Within a step it may have ended already and not been taken yet.
      const bool is_here = scheduler_.find(*victim) != nullptr;
      EXPECT_EQ(scheduler_.cancel(*victim, now_us_), is_here);
      EXPECT_FALSE(scheduler_.cancel(*victim, now_us_));
    }
  }

  void step() {
    remember_started();
    const bool had_work = scheduler_.has_work();
    const bool has_batch = scheduler_.schedule(now_us_, batch_);
    if (chance(1)) {
      scheduler_.set_prefill_chunk(random(1, 48));
    }
    ASSERT_EQ(has_batch, scheduler_.has_work()) << "work is never left without a row";
    ASSERT_TRUE(had_work || !has_batch);
    check_deadlines();
    check_order();
    check_batch();
    if (!has_batch) {
      return;
    }
    ++trace_.n_steps;
    if (chance(2)) {
      scheduler_.discard_step();
      return;
    }
    forward();
    if (chance(3)) {
      cancel_any();
    }
    scheduler_.commit(results_, now_us_);
  }

  void forward() {
    results_.clear();
    for (const BatchSequence& rows : batch_.sequences) {
      const Sequence& sequence = *scheduler_.find(rows.seq);
      const FakeModel::Rows computed = model_.forward(batch_, rows, sequence);
      ASSERT_TRUE(computed.intact) << "KV of sequence " << value(rows.seq) << " is not its own";
      if (random(1, 400) == 1) {
        results_.push_back({.seq = rows.seq, .finish = FinishReason::error});
      } else if (rows.position + rows.n_rows == sequence.n_tokens() && sequence.max_tokens > 0) {
        const TokenId token = FakeModel::next_token(computed.state);
        results_.push_back({.seq = rows.seq, .token = token});
        if (token == FakeModel::kEnd) {
          results_.back().finish = FinishReason::stop;
        }
      }
    }
  }

  void after_event() {
    const Status status = scheduler_.check();
    ASSERT_TRUE(status) << status.error().to_string();
    check_accounts();
    take_finished();
    ASSERT_EQ(live_.size(), scheduler_.running().size() + scheduler_.waiting().size());
  }

  void check_accounts() const {
    uint64_t n_waiting_tokens = 0;
    for (const SequencePtr& s : scheduler_.waiting()) {
      n_waiting_tokens += s->n_tokens();
      ASSERT_EQ(s->n_computed, 0U);
      ASSERT_EQ(s->table.n_blocks(), 0U);
    }
    ASSERT_EQ(scheduler_.n_waiting_tokens(), n_waiting_tokens);
    ASSERT_LE(scheduler_.running().size(), config_.scheduler.max_seqs);
    ASSERT_EQ(pool_.n_blocks(), pool_.n_used() + pool_.n_free() + pool_.n_cached());
  }

  void take_finished() {
    scheduler_.take_finished(finished_);
    for (const SequencePtr& s : finished_) {
      ASSERT_EQ(live_.erase(s->id), 1U) << "a sequence ends exactly once";
      ASSERT_EQ(s->table.n_blocks(), 0U);
      check_answer(*s);
      check_end(*s);
      trace_.add(value(s->id));
      trace_.add(static_cast<uint64_t>(s->finish_reason) * 100 + s->n_tokens());
      ++trace_.n_ended[std::string(to_string(s->finish_reason))];
      if (s->finish_cause != FinishCause::none) {
        ++trace_.n_ended[std::string(to_string(s->finish_cause))];
      }
    }
  }

  void check_answer(const Sequence& s) {
    const std::vector<TokenId> lone = FakeModel::lone_run(s);
    ASSERT_LE(s.tokens.size(), lone.size());
    ASSERT_TRUE(std::equal(s.tokens.begin(), s.tokens.end(), lone.begin()));
    const bool is_complete =
        s.finish_reason == FinishReason::stop || s.finish_reason == FinishReason::length;
    if (is_complete) {
      ASSERT_EQ(s.tokens.size(), lone.size());
      trace_.n_completed_after_preemption += s.n_preemptions > 0 ? 1 : 0;
    }
  }

  static void check_end(const Sequence& s) {
    ASSERT_LE(s.n_cached_tokens, s.n_prompt - 1);
    ASSERT_EQ(s.n_cached_tokens % kKvBlockTokens, 0U);
    const int64_t at_us = s.finished_us;
    const Deadlines& d = s.deadlines;
    const bool missed = (!s.was_started() && at_us >= d.queue_us) ||
                        (s.n_generated() == 0 && at_us >= d.first_token_us) || at_us >= d.total_us;
    if (s.finish_reason == FinishReason::timeout) {
      ASSERT_TRUE(missed);
    }
  }

  // A deadline is met or reported: after schedule() nothing lives that has missed one.
  void check_deadlines() const {
    for (const auto& list : {scheduler_.running(), scheduler_.waiting()}) {
      for (const SequencePtr& s : list) {
        ASSERT_LT(now_us_, s->deadlines.total_us);
        ASSERT_TRUE(s->n_generated() > 0 || now_us_ < s->deadlines.first_token_us);
        ASSERT_TRUE(s->was_started() || now_us_ < s->deadlines.queue_us);
      }
    }
  }

  // Priority with ageing, worked out anew: one level per 100 ms, at most to -9, high is untouched.
  std::tuple<int64_t, int64_t, SeqId> rank(const Sequence& s) const {
    int64_t priority = s.priority;
    if (priority > -10) {
      priority = std::max<int64_t>(-9, priority - (now_us_ - s.arrival_us) / 100'000);
    }
    return {priority, s.arrival_us, s.id};
  }

  void remember_started() {
    running_before_.clear();
    for (const SequencePtr& s : scheduler_.running()) {
      running_before_.insert(s->id);
    }
  }

  // Whoever started in this step ranks before all who still wait, and rows are in rank order.
  void check_order() const {
    for (const SequencePtr& started : scheduler_.running()) {
      if (running_before_.contains(started->id)) {
        continue;
      }
      for (const SequencePtr& waiting : scheduler_.waiting()) {
        ASSERT_LT(rank(*started), rank(*waiting));
      }
    }
    const auto by_rank = [&](const SequencePtr& a, const SequencePtr& b) {
      return rank(*a) < rank(*b);
    };
    ASSERT_TRUE(std::ranges::is_sorted(scheduler_.running(), by_rank));
  }

  void check_batch() {
    ASSERT_LE(batch_.n_rows(), config_.scheduler.max_batch_tokens);
    ASSERT_EQ(batch_.positions.size(), batch_.tokens.size());
    uint32_t next_row = 0;
    uint32_t next_block = 0;
    std::vector<uint32_t> logit_rows;
    std::set<BlockId> written;
    for (const BatchSequence& rows : batch_.sequences) {
      const Sequence& s = *scheduler_.find(rows.seq);
      ASSERT_EQ(rows.first_row, next_row);
      ASSERT_EQ(rows.first_block, next_block);
      ASSERT_GE(rows.n_rows, 1U);
      ASSERT_EQ(rows.position, s.n_computed);
      ASSERT_GE(rows.n_blocks * kKvBlockTokens, rows.position + rows.n_rows);
      for (uint32_t i = 0; i < rows.n_rows; ++i) {
        ASSERT_EQ(batch_.positions[next_row + i], static_cast<int32_t>(rows.position + i));
        ASSERT_EQ(batch_.tokens[next_row + i], s.tokens[rows.position + i]);
        if (s.logit_rows == LogitRows::all || rows.position + i + 1 == s.n_tokens()) {
          logit_rows.push_back(next_row + i);
        }
      }
      // Nobody writes into a block that another sequence sees.
      for (uint32_t b = rows.position / kKvBlockTokens; b < rows.n_blocks; ++b) {
        const BlockId id = batch_.blocks[rows.first_block + b];
        ASSERT_EQ(pool_.n_refs(id), 1U);
        ASSERT_TRUE(written.insert(id).second);
      }
      next_row += rows.n_rows;
      next_block += rows.n_blocks;
      trace_.add(value(rows.seq) * 1000 + rows.n_rows);
    }
    ASSERT_EQ(next_row, batch_.n_rows());
    ASSERT_EQ(next_block, batch_.blocks.size());
    ASSERT_EQ(logit_rows, batch_.logit_rows);
  }

  // Without arrivals everything ends, within as many steps as there are tokens to compute twice.
  void drain() {
    uint64_t n_bound = 100;
    for (const auto& list : {scheduler_.running(), scheduler_.waiting()}) {
      for (const SequencePtr& s : list) {
        n_bound += 2 * uint64_t{s->n_prompt + s->max_tokens};
      }
    }
    uint64_t n_steps = 0;
    for (; scheduler_.has_work() && !::testing::Test::HasFatalFailure(); ++n_steps) {
      ASSERT_LE(n_steps, n_bound);
      step();
      after_event();
    }
    EXPECT_TRUE(live_.empty());
    EXPECT_EQ(pool_.n_used(), 0U);
    EXPECT_EQ(scheduler_.n_waiting_tokens(), 0U);
  }

  SimulationConfig config_;
  BlockPool pool_;
  PrefixCache cache_;
  Scheduler scheduler_;
  FakeModel model_;
  std::mt19937 rng_;
  int64_t now_us_ = 0;
  uint64_t next_id_ = 1;
  Batch batch_;
  std::vector<StepResult> results_;
  std::vector<SequencePtr> finished_;
  std::set<SeqId> live_;
  std::set<SeqId> running_before_;
  Trace trace_;
};

SchedulerConfig tiny() {
  return {.max_seqs = 6,
          .max_batch_tokens = 48,
          .prefill_chunk = 40,
          .max_context = 96,
          .max_queue = 12,
          .max_queue_tokens = 500,
          .ranking = {.high_priority = -10, .ageing_step_us = 100'000}};
}

std::vector<SimulationConfig> configs() {
  // A pool that just holds one context, one under pressure, one with room for the cache, a single
  // place, and batches that hold hardly more than the decodes.
  std::vector<SimulationConfig> all = {{.seed = 1, .n_blocks = 6, .scheduler = tiny()},
                                       {.seed = 2, .n_blocks = 14, .scheduler = tiny()},
                                       {.seed = 3, .n_blocks = 60, .scheduler = tiny()},
                                       {.seed = 4, .n_blocks = 10, .scheduler = tiny()},
                                       {.seed = 5, .n_blocks = 12, .scheduler = tiny()}};
  all[3].scheduler.max_seqs = 1;
  all[4].scheduler.max_batch_tokens = 6;
  return all;
}

TEST(Simulation, KeepsEveryInvariantOver150000RandomEvents) {
  Trace sum;
  for (const SimulationConfig& config : configs()) {
    Simulation simulation(config);
    simulation.run(30'000);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << config.seed;
    const Trace& trace = simulation.trace();
    sum.n_events += trace.n_events;
    sum.n_preemptions += trace.n_preemptions;
    sum.n_hit_tokens += trace.n_hit_tokens;
    sum.n_completed_after_preemption += trace.n_completed_after_preemption;
    sum.n_refused += trace.n_refused;
    for (const auto& [name, n] : trace.n_ended) {
      sum.n_ended[name] += n;
    }
  }
  // The run means something only if all of this happened often.
  EXPECT_EQ(sum.n_events, 150'000U);
  EXPECT_GT(sum.n_preemptions, 1000U);
  EXPECT_GT(sum.n_completed_after_preemption, 100U);
  EXPECT_GT(sum.n_hit_tokens, 10'000U);
  EXPECT_GT(sum.n_refused, 100U);
  for (const char* const end : {"stop", "length", "cancelled", "error", "queue_timeout",
                                "first_token_timeout", "total_timeout", "displaced"}) {
    EXPECT_GT(sum.n_ended[end], 50U) << end;
  }
  RecordProperty("preemptions", std::to_string(sum.n_preemptions));
}

TEST(Simulation, TheSameSeedGivesTheSameCourse) {
  for (SimulationConfig config : configs()) {
    Simulation first(config);
    Simulation second(config);
    first.run(2000);
    second.run(2000);
    EXPECT_EQ(first.trace(), second.trace());
    ++config.seed;
    Simulation other(config);
    other.run(2000);
    EXPECT_NE(first.trace().hash, other.trace().hash);
  }
}

}  // namespace
}  // namespace quern
