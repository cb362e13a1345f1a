#include "engine/model_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/model_manager_impl.h"

namespace quern {

int64_t keep_alive_us(int64_t keep_alive_ms) {
  constexpr int64_t most = std::numeric_limits<int64_t>::max() / kMicrosPerMilli;
  return keep_alive_ms < 0 ? kKeepForever : std::min(keep_alive_ms, most) * kMicrosPerMilli;
}

std::unexpected<Error> is_stopping() {
  return fail({.kind = ErrorKind::cancelled,
               .where = "model",
               .what = "the program is shutting down",
               .expected = "a retry when it runs again"});
}

namespace {

ModelLoader loader_of(const ModelManagerConfig& config, EngineMetrics& metrics, const Log& log) {
  return config.ports.load ? config.ports.load
                           : make_model_loader({.engine = config.engine,
                                                .n_threads = config.n_threads,
                                                .isa = config.isa,
                                                .max_batch_tokens = config.max_batch_tokens,
                                                .allow_unknown_pre = config.allow_unknown_pre},
                                               metrics, log);
}

// What the records of the program that keeps it say against a model.
std::optional<Error> recorded_fault(const FoundModel& found) {
  if (found.error.empty()) {
    return std::nullopt;
  }
  return Error{.kind = ErrorKind::invalid_input,
               .where = "model",
               .what = fmt::format("'{}': {}", found.name, found.error),
               .expected = ""};
}

}  // namespace

// ---- ModelLease ----

ModelLease::ModelLease(std::shared_ptr<ServedModel> served, std::string name)
    : served_(std::move(served)), name_(std::move(name)) {}

ModelLease::ModelLease(ModelLease&&) noexcept = default;

ModelLease& ModelLease::operator=(ModelLease&& other) noexcept {
  if (this != &other) {
    end();
    served_ = std::move(other.served_);
    name_ = std::move(other.name_);
  }
  return *this;
}

ModelLease::~ModelLease() {
  end();
}

void ModelLease::end() {
  std::shared_ptr<ServedModel> served = std::exchange(served_, nullptr);
  if (served != nullptr) {
    if (const std::shared_ptr<LeaseKeeper> keeper = served->keeper.lock()) {
      keeper->lease_ended(std::move(served));
    }
  }
}

ModelLease ModelLease::share() const {
  if (const std::shared_ptr<LeaseKeeper> keeper = served_->keeper.lock()) {
    keeper->lease_shared(*served_);
  }
  return {served_, name_};
}

LoadedModel& ModelLease::model() const {
  return *served_->loaded;
}

EngineThread& ModelLease::engine() const {
  return *served_->engine;
}

// ---- ModelManager ----

Result<std::unique_ptr<ModelManager>> ModelManager::create(ModelManagerConfig config,
                                                           EngineMetrics& metrics, const Log& log) {
  auto impl = std::make_shared<Impl>(std::move(config), metrics, log);
  impl->start();
  return std::unique_ptr<ModelManager>(new ModelManager(std::move(impl)));
}

ModelManager::ModelManager(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

ModelManager::~ModelManager() {
  impl_->stop();
}

Result<std::string> ModelManager::add_file(const std::filesystem::path& path) {
  return impl_->add_file(path);
}

Result<std::string> ModelManager::add_name(const std::string& name) {
  return impl_->add_name(name);
}

Status ModelManager::examine(const std::string& name) {
  return impl_->examine(name);
}

std::shared_ptr<ModelWait> ModelManager::acquire(const std::string& name, Ready ready) {
  return impl_->acquire(name, std::move(ready));
}

void ModelManager::give_up(ModelWait& wait) {
  impl_->give_up(wait);
}

void ModelManager::set_keep_alive(const std::string& name, int64_t keep_alive_ms) {
  impl_->set_keep_alive(name, keep_alive_ms);
}

bool ModelManager::unload(const std::string& name) {
  return impl_->unload(name);
}

std::vector<FoundModel> ModelManager::list() const {
  return impl_->list();
}

std::vector<ModelStatus> ModelManager::status() const {
  return impl_->status();
}

ModelCacheStats ModelManager::stats() const {
  return impl_->stats();
}

std::string ModelManager::default_name() const {
  return impl_->default_name();
}

// ---- ModelManager::Impl ----

ModelManager::Impl::Impl(ModelManagerConfig config, EngineMetrics& metrics, const Log& log)
    : config_(std::move(config)),
      log_(log),
      loader_(loader_of(config_, metrics, log)),
      catalogue_(config_.host) {}

void ModelManager::Impl::start() {
  loader_thread_ = std::thread([this] { run_loads(); });
  housekeeper_ = std::thread([this] { keep_house(); });
}

void ModelManager::Impl::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  loader_wakes_.notify_all();
  housekeeper_wakes_.notify_all();
  room_made_.notify_all();
  loader_thread_.join();
  housekeeper_.join();
  std::vector<Waiter> waiters;
  ModelShelf shelf;
  {
    const std::lock_guard lock(mutex_);
    waiters = std::exchange(unresolved_, {});
    for (const SharedLoad& load : std::exchange(loads_, {})) {
      std::ranges::move(load->waiters, std::back_inserter(waiters));
    }
    std::swap(shelf, shelf_);
  }
  for (const Waiter& waiter : waiters) {
    waiter.ready(is_stopping());
  }
}

Result<std::string> ModelManager::Impl::add_file(const std::filesystem::path& path) {
  return catalogue_.add_file(path);
}

Result<std::string> ModelManager::Impl::add_name(const std::string& name) {
  catalogue_.refresh(now_us());
  return catalogue_.add_name(name);
}

Status ModelManager::Impl::examine(const std::string& name) {
  catalogue_.refresh(now_us());
  const std::optional<KnownModel> model = catalogue_.find(name);
  if (!model) {
    return fail(catalogue_.unknown(name));
  }
  if (std::optional<Error> fault = recorded_fault(model->found)) {
    return fail(std::move(*fault));
  }
  QUERN_TRY(need_of(model->found));
  return {};
}

std::shared_ptr<ModelWait> ModelManager::Impl::acquire(const std::string& name, Ready ready) {
  auto wait = std::make_shared<ModelWait>();
  Waiter waiter{.name = name, .ready = std::move(ready), .wait = wait};
  if (const std::optional<KnownModel> model = catalogue_.find(name)) {
    acquire_known(*model, std::move(waiter));
    return wait;
  }
  if (catalogue_.is_fresh(now_us())) {
    waiter.ready(fail(catalogue_.unknown(name)));
    return wait;
  }
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      unresolved_.push_back(std::move(waiter));
      housekeeper_wakes_.notify_one();
      return wait;
    }
  }
  waiter.ready(is_stopping());
  return wait;
}

void ModelManager::Impl::give_up(ModelWait& wait) {
  const std::lock_guard lock(mutex_);
  wait.is_over = true;
  room_made_.notify_all();
}

void ModelManager::Impl::acquire_known(const KnownModel& model, Waiter waiter) {
  std::optional<Result<ModelLease>> answer;
  {
    const std::lock_guard lock(mutex_);
    answer = answer_locked(model);
    if (!answer) {
      enqueue_locked(model, std::move(waiter));
      return;
    }
  }
  waiter.ready(std::move(*answer));
}

// What can be said without a load.
std::optional<Result<ModelLease>> ModelManager::Impl::answer_locked(const KnownModel& model) {
  if (stopping_) {
    return is_stopping();
  }
  if (std::optional<Error> fault = recorded_fault(model.found)) {
    return fail(std::move(*fault));
  }
  if (const ModelShelf::Shared served = shelf_.find(model.file)) {
    if (served->use.is_leaving) {
      return std::nullopt;
    }
    ++stats_.n_hits;
    return lease_locked(served, model.found.name);
  }
  const auto failure = failures_.find(model.file);
  if (failure == failures_.end()) {
    return std::nullopt;
  }
  if (failure->second.until_us > now_us()) {
    return fail(failure->second.error);
  }
  failures_.erase(failure);
  return std::nullopt;
}

ModelLease ModelManager::Impl::lease_locked(const ModelShelf::Shared& served,
                                            const std::string& name) {
  ModelShelf::begin_lease(*served, now_us());
  return {served, name};
}

void ModelManager::Impl::enqueue_locked(const KnownModel& model, Waiter waiter) {
  ++stats_.n_misses;
  SharedLoad load = find_load_locked(model.file);
  if (load == nullptr) {
    load = std::make_shared<Load>();
    load->model = model;
    loads_.push_back(load);
    loader_wakes_.notify_one();
  }
  waiter.name = model.found.name;
  load->waiters.push_back(std::move(waiter));
}

ModelManager::Impl::SharedLoad ModelManager::Impl::find_load_locked(const std::string& file) const {
  const auto found =
      std::ranges::find(loads_, file, [](const SharedLoad& load) { return load->model.file; });
  return found == loads_.end() ? nullptr : *found;
}

void ModelManager::Impl::lease_ended(std::shared_ptr<ServedModel> served) {
  const std::lock_guard lock(mutex_);
  ModelShelf::end_lease(*served, now_us());
  if (served->use.n_leases == 0) {
    if (served->use.is_leaving && shelf_.retire(*served)) {
      ++stats_.n_evictions;
    }
    housekeeper_wakes_.notify_one();
  }
  // The shelf has it until the housekeeper, which the lock keeps out, takes it down: this thread
  // may be the engine's own, where it must not end.
  if (!stopping_) {
    served.reset();
  }
}

void ModelManager::Impl::lease_shared(ServedModel& served) {
  const std::lock_guard lock(mutex_);
  ModelShelf::begin_lease(served, now_us());
}

void ModelManager::Impl::set_keep_alive(const std::string& name, int64_t keep_alive_ms) {
  const std::optional<KnownModel> model = catalogue_.find(name);
  if (!model) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (const ModelShelf::Shared served = shelf_.find(model->file)) {
    served->use.keep_alive_us = keep_alive_us(keep_alive_ms);
    housekeeper_wakes_.notify_one();
  }
  if (const SharedLoad load = find_load_locked(model->file)) {
    load->keep_alive_us = keep_alive_us(keep_alive_ms);
  }
}

bool ModelManager::Impl::unload(const std::string& name) {
  const std::optional<KnownModel> model = catalogue_.find(name);
  if (!model) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  const ModelShelf::Shared served = shelf_.find(model->file);
  if (served == nullptr) {
    return false;
  }
  if (served->use.n_leases == 0) {
    shelf_.retire(*served);
  } else {
    served->use.keep_alive_us = 0;
  }
  housekeeper_wakes_.notify_one();
  return true;
}

std::vector<FoundModel> ModelManager::Impl::list() {
  catalogue_.refresh(now_us());
  return catalogue_.list();
}

std::string ModelManager::Impl::default_name() {
  const std::string name = catalogue_.default_name();
  if (!name.empty()) {
    return name;
  }
  catalogue_.refresh(now_us());
  return catalogue_.default_name();
}

// Loading and lately failed ones. One that is leaving and asked for again is listed as it is.
void ModelManager::Impl::append_idle_status_locked(std::vector<ModelStatus>& out) const {
  for (const SharedLoad& load : loads_) {
    if (shelf_.find(load->model.file) != nullptr) {
      continue;
    }
    const uint64_t n_bytes = load->n_bytes.load();
    const double done = static_cast<double>(load->n_bytes_done.load());
    out.push_back({.name = load->model.found.name,
                   .path = load->model.found.path,
                   .state = ModelStatus::State::loading,
                   .load_progress = n_bytes == 0 ? 0.0 : done / static_cast<double>(n_bytes),
                   .error = {},
                   .engine = {}});
  }
  for (const auto& [file, failure] : failures_) {
    if (failure.until_us > now_us()) {
      out.push_back({.name = failure.model.found.name,
                     .path = failure.model.found.path,
                     .state = ModelStatus::State::failed,
                     .load_progress = 0.0,
                     .error = failure.error.to_string(),
                     .engine = {}});
    }
  }
}

std::vector<ModelStatus> ModelManager::Impl::status() const {
  std::vector<ModelStatus> result;
  std::vector<ModelShelf::Shared> models;
  {
    const std::lock_guard lock(mutex_);
    models = shelf_.models();
    for (const ModelShelf::Shared& model : models) {
      result.push_back({.name = model->name,
                        .path = model->path,
                        .error = {},
                        .bytes = model->bytes,
                        .last_used_us = model->use.last_used_us,
                        .expires_us = expiry_us(model->use).value_or(-1),
                        .in_flight = model->use.n_leases,
                        .engine = {}});
    }
    append_idle_status_locked(result);
  }
  // Outside the lock: an engine's own lock may be held by a callback that ends a lease.
  for (size_t i = 0; i < models.size(); ++i) {
    result[i].engine = models[i]->engine->snapshot();
    result[i].step_age_ms = models[i]->engine->step_age_ms();
    result[i].is_stuck = models[i]->engine->is_stuck();
  }
  return result;
}

ModelCacheStats ModelManager::Impl::stats() const {
  const uint64_t limit = limit_bytes();
  const std::lock_guard lock(mutex_);
  ModelCacheStats stats = stats_;
  stats.loaded_bytes = shelf_.n_bytes();
  stats.limit_bytes = limit;
  return stats;
}

// What models may take in all: what they occupy now and what else the machine has, at most
// memory_bytes. Blocks of a pool that were never used occupy nothing yet.
uint64_t ModelManager::Impl::limit_bytes() const {
  std::vector<ModelShelf::Shared> models;
  {
    const std::lock_guard lock(mutex_);
    models = shelf_.models();
  }
  uint64_t sum = config_.ports.available_bytes();
  for (const ModelShelf::Shared& model : models) {
    const EngineSnapshot engine = model->engine->snapshot();
    sum += model->bytes - std::min(model->bytes, engine.kv_pool_bytes - engine.kv_bytes);
  }
  return config_.memory_bytes == 0 ? sum : std::min(sum, config_.memory_bytes);
}

}  // namespace quern
