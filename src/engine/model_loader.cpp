#include "engine/model_loader.h"

#include <thread>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "base/thread_priority.h"

namespace quern {
namespace {

// On a thread of its own, since a priority once lowered stays so. The backend's threads were
// started before and keep theirs for the requests to come.
Result<std::unique_ptr<LoadedModel>> load_quietly(LoadOptions options, const Log& log) {
  Result<std::unique_ptr<LoadedModel>> loaded = std::unique_ptr<LoadedModel>();
  std::thread packer([&] {
    lower_thread_priority();
    loaded = LoadedModel::load(std::move(options), log);
  });
  packer.join();
  return loaded;
}

}  // namespace

ModelLoader make_model_loader(ModelLoaderSetup setup, EngineMetrics& metrics, Log log) {
  return [setup = std::move(setup), &metrics,
          log = std::move(log)](const LoadJob& job) -> Result<LoadedEngine> {
    LoadOptions options{.path = job.path,
                        .n_threads = setup.n_threads,
                        .max_batch_tokens = setup.max_batch_tokens,
                        .max_seqs = setup.engine.engine.max_seqs,
                        .allow_unknown_pre = setup.allow_unknown_pre,
                        .progress = job.progress,
                        .fail_points = setup.engine.engine.fail_points};
    QUERN_ASSIGN(options.backend, make_cpu_backend({.n_threads = setup.n_threads,
                                                    .isa = setup.isa,
                                                    .pack_on_caller = job.quietly}));
    LoadedEngine result;
    QUERN_ASSIGN(result.model, job.quietly ? load_quietly(std::move(options), log)
                                           : LoadedModel::load(std::move(options), log));
    const BackendStats stats = result.model->backend().stats();
    EngineThreadConfig config = setup.engine;
    config.engine.kv_bytes = job.kv_bytes;
    QUERN_ASSIGN(result.engine, EngineThread::start(*result.model, config, metrics, log));
    result.bytes = stats.weight_bytes + stats.activation_bytes + job.kv_bytes;
    return result;
  };
}

}  // namespace quern
