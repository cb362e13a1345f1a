// quern bench: how fast a model runs here, and how near that is to what the machine can do.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "base/system_info.h"
#include "commands.h"
#include "engine/benchmark.h"
#include "host.h"
#include "report.h"

namespace quern::app {
namespace {

struct Options {
  std::string model;
  uint32_t n_prompt = 512;
  uint32_t n_gen = 128;
  uint32_t n_depth = 0;
  uint32_t n_seqs = 1;
  uint32_t n_threads = 0;
  uint32_t n_reps = 5;
  std::string output = "md";
  std::vector<std::string> folders;
};

struct Report {
  std::vector<BenchmarkResult> results;
  MachinePeak peak;
  WeightCount weights;
  std::string model;
  std::string isa;
  uint32_t n_threads = 0;
};

double compute_peak(const Report& report) {
  return report.weights.quantised ? report.peak.int8_tops : report.peak.f32_tops;
}

void print_json(const Report& report) {
  auto list = nlohmann::ordered_json::array();
  for (const BenchmarkResult& r : report.results) {
    list.push_back({{"test", r.test},
                    {"n_prompt", r.spec.n_prompt},
                    {"n_gen", r.spec.n_gen},
                    {"n_depth", r.spec.n_depth},
                    {"n_seqs", r.spec.n_seqs},
                    {"n_threads", report.n_threads},
                    {"tokens_per_s", r.tokens_per_s},
                    {"samples", r.samples},
                    {"weights_bytes", report.weights.n_bytes},
                    {"gb_per_s", r.gb_per_s},
                    {"pct_of_bandwidth", 100 * r.gb_per_s / report.peak.gb_per_s},
                    {"tops", r.tops},
                    {"pct_of_compute", 100 * r.tops / compute_peak(report)},
                    {"isa", report.isa},
                    {"model", report.model}});
  }
  std::puts(list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void print_markdown(const Report& report) {
  fmt::print(
      "{}, {} weights, {}, {} threads; peak here: {:.1f} GB/s, {:.3f} int8 TOPS, {:.3f} f32 "
      "TFLOPS\n\n",
      report.model, human_bytes(report.weights.n_bytes), report.isa, report.n_threads,
      report.peak.gb_per_s, report.peak.int8_tops, report.peak.f32_tops);
  fmt::print(
      "| test | tokens/s | GB/s | % of bandwidth | TOPS | % of compute "
      "|\n|---|---:|---:|---:|---:|---:|\n");
  for (const BenchmarkResult& r : report.results) {
    fmt::print("| {} | {:.1f} | {:.1f} | {:.0f} | {:.3f} | {:.0f} |\n", r.test, r.tokens_per_s,
               r.gb_per_s, 100 * r.gb_per_s / report.peak.gb_per_s, r.tops,
               100 * r.tops / compute_peak(report));
  }
}

std::vector<BenchmarkSpec> specs(const Options& options) {
  std::vector<BenchmarkSpec> list;
  const BenchmarkSpec base{
      .n_depth = options.n_depth, .n_seqs = options.n_seqs, .n_reps = options.n_reps};
  if (options.n_prompt > 0) {
    list.push_back(base);
    list.back().n_prompt = options.n_prompt;
  }
  if (options.n_gen > 0) {
    list.push_back(base);
    list.back().n_gen = options.n_gen;
  }
  return list;
}

Result<Report> measure(const Options& options) {
  QUERN_ASSIGN(const auto path, resolve_model(options.model, host_paths(options.folders)));
  Report report;
  report.n_threads = options.n_threads == 0 ? available_cores() : options.n_threads;
  const char* isa = std::getenv("QUERN_ISA");
  QUERN_ASSIGN(
      const auto loaded,
      LoadedModel::load({.path = path,
                         .n_threads = report.n_threads,
                         .isa = isa == nullptr ? std::nullopt : std::optional<std::string>(isa),
                         .max_seqs = std::max(16U, options.n_seqs)},
                        Log::to_stderr(false)));
  report.model = path.filename().string();
  report.isa = loaded->backend().isa();
  report.weights = count_weights(*loaded);
  std::fputs("measuring the machine\n", stderr);
  QUERN_ASSIGN(report.peak, measure_peak({.n_threads = report.n_threads, .isa = report.isa}));
  for (const BenchmarkSpec& spec : specs(options)) {
    const auto progress = [&](uint32_t rep) {
      fmt::print(stderr, "{} {}: repetition {} of {}\n", spec.n_gen == 0 ? "prompt" : "generation",
                 spec.n_gen == 0 ? spec.n_prompt : spec.n_gen, rep + 1, spec.n_reps);
    };
    QUERN_ASSIGN(BenchmarkResult result, run_benchmark(*loaded, spec, progress));
    report.results.push_back(std::move(result));
  }
  return report;
}

int bench(const Options& options) {
  const Result<Report> report = measure(options);
  if (!report) {
    return app::report(report.error());
  }
  (options.output == "json" ? print_json : print_markdown)(*report);
  return 0;
}

}  // namespace

void register_bench(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bench", "Measure a model's speed on this machine");
  command->add_option("MODEL", options->model, "A .gguf file, or a name from quern list")
      ->required();
  command->add_option("--prompt", options->n_prompt, "Tokens of the prompt; 0 leaves the test out")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("--gen", options->n_gen, "Tokens to generate; 0 leaves the test out")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("--depth", options->n_depth, "Tokens already in the context")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("--seqs", options->n_seqs, "Sequences together")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  command->add_option("--threads", options->n_threads, "Threads; 0 is what the machine grants")
      ->check(CLI::Range(0, 1024));
  command->add_option("--reps", options->n_reps, "Repetitions")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--output", options->output, "md or json")
      ->check(CLI::IsMember({"md", "json"}));
  command->add_option("--models", options->folders, "A folder to search for the name");
  command->callback([options, &action] { action = [options] { return bench(*options); }; });
}

}  // namespace quern::app
