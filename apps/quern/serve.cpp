// quern serve: many clients, one machine.
#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <memory>

#include "base/fail_point.h"
#include "base/line_writer.h"
#include "base/mapping_guard.h"
#include "base/system_info.h"
#include "commands.h"
#include "engine/model_manager.h"
#include "host.h"
#include "output.h"
#include "preload.h"
#include "report.h"
#include "serve_flags.h"
#include "server/access_log.h"
#include "server/live_requests.h"
#include "server/offload.h"
#include "server/response_store.h"
#include "server/route.h"
#include "server/server.h"
#include "server/server_context.h"

namespace quern::app {
namespace {

using Lines = std::shared_ptr<LineWriter>;

// On stderr. Whoever reads it must not hold up requests.
Lines log_lines(bool as_json) {
  return std::make_shared<LineWriter>(2, [as_json](uint64_t n_lost) {
    const std::string what =
        fmt::format("{} lines of the log were lost: whoever reads it was too slow", n_lost);
    return server::message_line(LogLevel::warning, what, as_json);
  });
}

// One line at a time, in the format that the user wants.
Log server_log(const Lines& lines, bool as_json) {
  return Log([lines, as_json](LogLevel level, std::string_view message) {
    if (level != LogLevel::debug) {
      lines->write(server::message_line(level, message, as_json));
    }
  });
}

server::ServerParts server_parts(const server::ServerConfig& config, const Lines& lines,
                                 const Log& log) {
  server::ServerParts parts;
  parts.tables = {server::admin_routes(), server::openai_routes(), server::responses_routes(),
                  server::ollama_routes(), server::anthropic_routes()};
  parts.on_request = [lines, as_json = config.log_json](const server::AccessRecord& record) {
    lines->write(server::access_line(record, as_json));
  };
  parts.on_drain = [&config, log] {
    log.info(
        fmt::format("draining: no new work; up to {} s for what runs", config.drain_timeout_s));
  };
  parts.handle_signals = true;
  return parts;
}

void announce(const server::Server& http, const server::ServerConfig& config, LineWriter& lines) {
  lines.write(config.log_json
                  ? server::message_line(LogLevel::info, "listening on " + http.url(), true)
                  : "quern: listening on " + http.url());
}

Status serve(const ServeFlags& flags) {
  const bool as_json = flags.log_format == "json";
  const Lines lines = log_lines(as_json);
  const Log log = server_log(lines, as_json);
  QUERN_ASSIGN(const server::ServerConfig config, server_config(flags, log));
  FailPoints fail_points;
  QUERN_TRY(fail_points.arm_from(ordered_faults()));
  ModelManagerConfig models = manager_config(flags);
  models.engine.engine.fail_points = &fail_points;
  QUERN_TRY(check_folders(models.host));
  install_mapping_guard();

  // What the server borrows is made before it and goes after it.
  EngineMetrics metrics;
  QUERN_ASSIGN(const std::unique_ptr<ModelManager> manager,
               ModelManager::create(models, metrics, log));
  QUERN_ASSIGN(const std::vector<std::string> names, Preload::names(flags.models, *manager));
  server::LiveRequests live;
  server::ResponseStore responses;
  server::Offload offload;
  std::atomic<bool> draining{false};
  const auto preload = std::make_shared<Preload>(log);  // shared with the manager's callbacks
  server::ServerContext context{.config = config,
                                .models = *manager,
                                .metrics = metrics,
                                .log = log,
                                .live = live,
                                .responses = responses,
                                .offload = offload,
                                .draining = draining,
                                .started_us = monotonic_us(),
                                .starting = &preload->is_loading()};
  QUERN_ASSIGN(std::unique_ptr<server::Server> http,
               server::Server::listen(context, server_parts(config, lines, log)));
  announce(*http, config, *lines);
  preload->start(names, *manager, [&http] { http->stop(); });
  http->run();
  preload->end();
  http.reset();
  const std::optional<Error> failure = preload->failure();
  return failure ? fail(*failure) : Status();
}

}  // namespace

void register_serve(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<ServeFlags>();  // lives as long as the flags bound to it
  CLI::App* command =
      app.add_subcommand("serve", "Serve models to OpenAI, Ollama and Anthropic clients");
  add_serve_flags(*command, *flags);
  command->callback([flags, &action] {
    action = [flags] {
      const Status status = serve(*flags);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
