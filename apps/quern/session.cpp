#include "session.h"

#include <fmt/format.h>

#include "base/log.h"
#include "host.h"
#include "progress.h"

namespace quern::app {
namespace {

constexpr int kMaxThreads = 1024;

}  // namespace

void add_kv_type_flag(CLI::App& command, std::string& type) {
  command
      .add_option("--kv-type", type,
                  "How keys and values are kept: f16, f32 or q8_0 (default: f16)")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f16", "f32", "q8_0"}));
}

KvDType kv_dtype(const std::string& type) {
  if (type == "f32") {
    return KvDType::f32;
  }
  return type == "q8_0" ? KvDType::q8_0 : KvDType::f16;
}

void add_model_flags(CLI::App& command, ModelFlags& flags) {
  add_model_name(command, flags.name)->required();
  command
      .add_option("--threads", flags.n_threads,
                  "Threads (default: the cores that this process may use)")
      ->type_name("N")
      ->check(CLI::Range(1, kMaxThreads));
  add_kv_type_flag(command, flags.kv_type);
  add_unknown_pre_flag(command, flags.allow_unknown_pre);
}

Result<Session> open_session(const ModelFlags& flags, const SessionNeeds& needs) {
  const Log log = Log::to_stderr(false);
  Progress progress("loading");
  Session session;
  QUERN_ASSIGN(
      session.model,
      LoadedModel::load(
          {.path = needs.path,
           .n_threads = flags.n_threads,
           .isa = forced_isa(),
           .max_seqs = 1,
           .allow_unknown_pre = flags.allow_unknown_pre,
           .progress = [&](uint64_t done, uint64_t total) { progress.update(done, total); }},
          log));
  progress.finish();
  QUERN_ASSIGN(session.engine, Engine::create(*session.model, {.max_context = needs.n_ctx,
                                                               .kv_dtype = kv_dtype(flags.kv_type),
                                                               .max_seqs = 1}));
  const uint32_t trained = session.model->model().config().max_context;
  if (needs.n_ctx > trained) {
    log.warn(
        fmt::format("the model was trained for a context of {} tokens, not {}: answers may "
                    "decay beyond it",
                    trained, needs.n_ctx));
  }
  return session;
}

}  // namespace quern::app
