// The manager's loader thread: one model at a time, room made for it first.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <system_error>
#include <utility>

#include "engine/model_manager_impl.h"
#include "gguf/reader.h"
#include "model/registry.h"
#include "model/tokenizer_from_card.h"

namespace quern {
namespace {

uint64_t megabytes(uint64_t n_bytes) {
  return n_bytes >> 20;
}

// Rounded up: so much is needed.
uint64_t needed_megabytes(uint64_t n_bytes) {
  constexpr uint64_t kPart = (1 << 20) - 1;
  return megabytes(n_bytes) + ((n_bytes & kPart) != 0 ? 1 : 0);
}

Result<MemoryNeed> need_of_card(const ModelCard& card, const ModelManagerConfig& config) {
  QUERN_TRY(check_runnable(card));
  QUERN_TRY(check_tokenizer(card, {.allow_unknown_pre = config.allow_unknown_pre}));
  return memory_need(card, config.engine.engine, config.max_batch_tokens);
}

std::string parts_of(const MemoryNeed& need) {
  return fmt::format("at least {} MB (weights {}, KV {}, activations {})",
                     needed_megabytes(need.least_bytes()), needed_megabytes(need.weights_bytes),
                     needed_megabytes(need.least_pool_bytes()),
                     needed_megabytes(need.activations_bytes));
}

}  // namespace

void ModelManager::Impl::run_loads() {
  std::unique_lock lock(mutex_);
  while (true) {
    loader_wakes_.wait(lock, [this] { return stopping_ || !loads_.empty(); });
    if (stopping_) {
      return;
    }
    const SharedLoad load = loads_.front();
    lock.unlock();
    load_next(load);
    lock.lock();
  }
}

void ModelManager::Impl::load_next(const SharedLoad& load) {
  if (answer_from_shelf(load)) {
    return;
  }
  const int64_t start_us = now_us();
  const auto outcome = retry(
      config_.retry, [&] { return attempt(*load); },
      [&](int64_t delay_ms) { return !load->was_refused && pause_before_retry(delay_ms); });
  report(*load, outcome.result, start_us);
  Answers answers;
  {
    const std::lock_guard lock(mutex_);
    stats_.n_load_retries += outcome.n_retries;
    answers = conclude_locked(load, outcome.result);
  }
  give(std::move(answers));
}

void ModelManager::Impl::give(Answers answers) {
  for (auto& [ready, answer] : answers) {
    ready(std::move(answer));
  }
}

// It was leaving when it was asked for, and is still there: others made the room, or it is not
// wanted any more.
bool ModelManager::Impl::answer_from_shelf(const SharedLoad& load) {
  Answers answers;
  {
    const std::lock_guard lock(mutex_);
    const ModelShelf::Shared served = shelf_.find(load->model.file);
    if (served == nullptr) {
      return false;
    }
    std::erase(loads_, load);
    answers = answers_locked(*load, served);
  }
  give(std::move(answers));
  return true;
}

void ModelManager::Impl::report(const Load& load, const Outcome& outcome, int64_t start_us) const {
  const std::string& name = load.model.found.name;
  if (outcome) {
    ServedModel& served = **outcome;
    served.loaded_us = now_us();
    served.load_duration_us = served.loaded_us - start_us;
    log_.info(fmt::format("model '{}' loaded in {} ms: {} MB, context {}", name,
                          served.load_duration_us / kMicrosPerMilli, megabytes(served.bytes),
                          served.engine->max_context()));
    warn_beyond_training(served);
    return;
  }
  const std::string line =
      fmt::format("model '{}' is not loaded: {}", name, outcome.error().to_string());
  outcome.error().kind == ErrorKind::cancelled ? log_.info(line) : log_.warn(line);
}

// --ctx is one wish for all models, and what a model writes beyond its own context is often
// senseless.
void ModelManager::Impl::warn_beyond_training(const ServedModel& served) const {
  const uint32_t trained = served.loaded->model().config().max_context;
  if (served.engine->max_context() > trained) {
    log_.warn(
        fmt::format("model '{}' was made for {} tokens; requests of up to {} are taken (--ctx), "
                    "whose answers may be poor",
                    served.name, trained, served.engine->max_context()));
  }
}

// Waits unless the manager is stopping meanwhile.
bool ModelManager::Impl::pause_before_retry(int64_t delay_ms) {
  std::unique_lock lock(mutex_);
  return !loader_wakes_.wait_for(lock, std::chrono::milliseconds(delay_ms),
                                 [this] { return stopping_; });
}

ModelManager::Impl::Outcome ModelManager::Impl::attempt(Load& load) {
  try {
    QUERN_ASSIGN(const MemoryNeed need, need_of(load.model.found));
    QUERN_ASSIGN(const uint64_t kv_bytes, make_room(load, need));
    return load_in(load, kv_bytes);
  } catch (const std::bad_alloc&) {
    return fail({.kind = ErrorKind::out_of_memory,
                 .where = "model",
                 .what = fmt::format("no memory is left to load '{}'", load.model.found.name),
                 .expected = "a retry when other programs need less"});
  } catch (const std::system_error& error) {
    return fail(
        {.kind = ErrorKind::out_of_memory,
         .where = "model",
         .what = fmt::format("'{}' cannot be loaded: {}", load.model.found.name, error.what()),
         .expected = "a retry when other programs need less"});
  }
}

// Of a file that is read to its header's end. An error too when it can never run here: nothing may
// be evicted for such a model.
Result<MemoryNeed> ModelManager::Impl::need_of(const FoundModel& found) const {
  QUERN_ASSIGN(const ModelCard card, read_model_card(found.path));
  Result<MemoryNeed> needed = need_of_card(card, config_);
  if (!needed) {
    return fail_in(found.path.string(), std::move(needed).error());
  }
  const MemoryNeed need = *needed;
  if (config_.memory_bytes != 0 && need.least_bytes() > config_.memory_bytes) {
    return fail({.kind = ErrorKind::unsupported,
                 .where = "model",
                 .what = fmt::format("'{}' can never be loaded here: it takes {}, and all models "
                                     "together may take {} MB",
                                     found.name, parts_of(need), megabytes(config_.memory_bytes)),
                 .expected = "a smaller model, a shorter context (--ctx), a smaller pool "
                             "(--kv-bytes), or more --memory-bytes"});
  }
  return need;
}

Result<ModelShelf::Shared> ModelManager::Impl::load_in(Load& load, uint64_t kv_bytes) {
  bool others_compute = false;
  {
    const std::lock_guard lock(mutex_);
    others_compute = shelf_.n_leased_bytes() > 0;
  }
  QUERN_ASSIGN(LoadedEngine engine, loader_({.path = load.model.found.path,
                                             .kv_bytes = kv_bytes,
                                             .quietly = others_compute,
                                             .progress = [&load](uint64_t done, uint64_t total) {
                                               load.n_bytes.store(total);
                                               load.n_bytes_done.store(done);
                                             }}));
  auto served = std::make_shared<ServedModel>();
  served->name = load.model.found.name;
  served->path = load.model.found.path;
  served->file = load.model.file;
  served->bytes = engine.bytes;
  served->loaded = std::move(engine.model);
  served->engine = std::move(engine.engine);
  served->keeper = weak_from_this();
  return served;
}

// Evicts what must go, waits until its memory is given back, and says how large the pool may be.
Result<uint64_t> ModelManager::Impl::make_room(Load& load, const MemoryNeed& need) {
  const uint64_t limit = limit_bytes();
  const auto pool = [&](uint64_t used) {
    return used > limit ? std::nullopt : kv_pool_bytes(need, limit - used);
  };
  const auto fits = [&](uint64_t bytes_that_stay) { return pool(bytes_that_stay).has_value(); };
  {
    const std::lock_guard lock(mutex_);
    const auto n_evicted = shelf_.make_room(fits);
    if (!n_evicted) {
      load.was_refused = true;
      return fail(no_room(load, need, limit));
    }
    stats_.n_evictions += *n_evicted;
    housekeeper_wakes_.notify_one();
  }
  QUERN_TRY(wait_for_room(load, fits));
  const std::lock_guard lock(mutex_);
  // Only this thread adds models.
  return pool(shelf_.n_bytes()).value_or(need.least_pool_bytes());
}

// Until those that are leaving have gone, or others made room, or nobody wants it any more.
Status ModelManager::Impl::wait_for_room(Load& load, FunctionRef<bool(uint64_t)> fits) {
  std::unique_lock lock(mutex_);
  if (const std::string leaving = leaving_locked(); !leaving.empty()) {
    lock.unlock();
    log_.info(fmt::format("model '{}' waits for the end of what {} computes", load.model.found.name,
                          leaving));
    lock.lock();
  }
  const auto is_unwanted = [&] {
    return std::ranges::all_of(load.waiters, [](const Waiter& w) { return w.wait->is_over; });
  };
  room_made_.wait(lock, [&] {
    const bool has_room = n_dying_ == 0 && !shelf_.has_gone() && fits(shelf_.n_bytes());
    return stopping_ || has_room || is_unwanted();
  });
  shelf_.let_stay();
  if (stopping_) {
    return is_stopping();
  }
  if (is_unwanted()) {
    // Who comes from now on begins another load.
    std::erase_if(loads_, [&](const SharedLoad& other) { return other.get() == &load; });
    return fail({.kind = ErrorKind::cancelled,
                 .where = "model",
                 .what = "all who waited for it gave up",
                 .expected = "a request that waits longer"});
  }
  return {};
}

std::string ModelManager::Impl::leaving_locked() const {
  std::string names;
  for (const ModelShelf::Shared& model : shelf_.models()) {
    if (model->use.is_leaving) {
      names += fmt::format("{}'{}'", names.empty() ? "" : ", ", model->name);
    }
  }
  return names;
}

// Even when all other models go. The lock must be held.
Error ModelManager::Impl::no_room(const Load& load, const MemoryNeed& need, uint64_t limit) const {
  return {.kind = ErrorKind::out_of_memory,
          .where = "model",
          .what = fmt::format("'{}' takes {}, and models may take {} MB in all",
                              load.model.found.name, parts_of(need), megabytes(limit)),
          .expected =
              "a smaller model, a shorter context (--ctx), a smaller pool (--kv-bytes), or "
              "more --memory-bytes"};
}

// The lock must be held.
ModelManager::Impl::Answers ModelManager::Impl::conclude_locked(const SharedLoad& load,
                                                                const Outcome& outcome) {
  std::erase(loads_, load);
  if (outcome) {
    ServedModel& served = **outcome;
    served.use.last_used_us = now_us();
    served.use.keep_alive_us = load->keep_alive_us.value_or(keep_alive_us(config_.keep_alive_ms));
    shelf_.add(*outcome);
  } else if (outcome.error().kind != ErrorKind::cancelled) {
    ++stats_.n_load_failures;
    remember_failure_locked(*load, outcome.error());
  }
  return answers_locked(*load, outcome);
}

ModelManager::Impl::Answers ModelManager::Impl::answers_locked(Load& load, const Outcome& outcome) {
  Answers answers;
  for (Waiter& waiter : load.waiters) {
    if (outcome) {
      answers.emplace_back(std::move(waiter.ready), lease_locked(*outcome, waiter.name));
    } else {
      answers.emplace_back(std::move(waiter.ready), fail(outcome.error()));
    }
  }
  return answers;
}

void ModelManager::Impl::remember_failure_locked(const Load& load, const Error& error) {
  if (config_.failure_memory_ms <= 0) {
    return;
  }
  failures_.insert_or_assign(
      load.model.file, Failure{.model = load.model,
                               .error = error,
                               .until_us = now_us() + config_.failure_memory_ms * kMicrosPerMilli});
}

}  // namespace quern
