// quern list: every model found on this machine.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "host.h"
#include "model_name.h"
#include "output.h"
#include "report.h"
#include "text/printable.h"

namespace quern::app {
namespace {

constexpr size_t kMaxPathChars = 4096;  // a path is to be copied, so never cut

struct Options {
  bool json = false;
  std::vector<std::string> folders;
};

struct Row {
  FoundModel model;
  ModelSummary summary;
};

std::vector<Row> rows_of(const HostPaths& host) {
  std::vector<Row> rows;
  for (FoundModel& model : list_models(host)) {
    ModelSummary summary;
    if (model.error.empty()) {
      summary = summarise(model.path);
    } else {
      summary.error = model.error;
    }
    rows.push_back({.model = std::move(model), .summary = std::move(summary)});
  }
  return rows;
}

void print_json(const std::vector<Row>& rows) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& [model, summary] : rows) {
    nlohmann::ordered_json entry = {{"name", model.name},
                                    {"path", model.path.string()},
                                    {"size", summary.n_bytes},
                                    {"architecture", summary.architecture},
                                    {"quantisation", summary.quantisation},
                                    {"parameters", summary.n_parameters},
                                    {"kind", name(summary.kind)},
                                    {"source", name(model.source)}};
    if (!summary.error.empty()) {
      entry["error"] = summary.error;
    }
    list.push_back(std::move(entry));
  }
  // File names need not be UTF-8.
  print_out("{}\n", list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

// By columns of the terminal, which fmt's own filling only guesses.
std::string filled(std::string text, size_t n_columns) {
  const size_t width = display_width(text);
  text.append(n_columns > width ? n_columns - width : 0, ' ');
  return text;
}

void print_table(const std::vector<Row>& rows) {
  size_t width = 4;
  for (const Row& row : rows) {
    width = std::max(width, display_width(printable(row.model.name)));
  }
  print_out("{}  {:>8}  {:<10}  {:<12}  {:<12}  PATH\n", filled("NAME", width), "SIZE", "QUANT",
            "ARCH", "SOURCE");
  for (const auto& [model, summary] : rows) {
    const std::string label = filled(printable(model.name), width);
    if (!summary.error.empty()) {
      print_out("{}  {:>8}  {}\n", label, human_bytes(summary.n_bytes),
                printable(summary.error, kMaxPathChars));
      continue;
    }
    const std::string kind = summary.kind == ModelFileKind::model
                                 ? std::string()
                                 : fmt::format("  ({})", name(summary.kind));
    print_out("{}  {:>8}  {:<10}  {:<12}  {:<12}  {}{}\n", label, human_bytes(summary.n_bytes),
              printable(summary.quantisation), printable(summary.architecture), name(model.source),
              printable(model.path.string(), kMaxPathChars), kind);
  }
}

Status list(const Options& options) {
  const HostPaths host = host_paths(options.folders);
  QUERN_TRY(check_folders(host));
  const std::vector<Row> rows = rows_of(host);
  if (options.json) {
    print_json(rows);
  } else if (rows.empty()) {
    const std::string store = host.model_store.string();
    print_err("quern: no models found; {}\n",
              store.empty() ? "name a folder with .gguf files in it: --models DIR"
                            : fmt::format("put .gguf files into {}", store));
  } else {
    print_table(rows);
  }
  return {};
}

}  // namespace

void register_list(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command = app.add_subcommand("list", "List the models on this machine");
  command->add_flag("--json", options->json, "Print JSON");
  add_folders_flag(*command, options->folders);
  command->callback([options, &action] {
    action = [options] {
      const Status status = list(*options);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
