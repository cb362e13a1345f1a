// quern bench: how fast a model runs here, and how near that is to what the machine can do.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "base/system_info.h"
#include "commands.h"
#include "engine/benchmark.h"
#include "gguf/reader.h"
#include "host.h"
#include "model_name.h"
#include "output.h"
#include "report.h"

namespace quern::app {
namespace {

constexpr int kMaxTokens = 1 << 20;

struct Options {
  ModelName name;
  uint32_t n_prompt = 512;
  uint32_t n_gen = 128;
  uint32_t n_depth = 0;
  uint32_t n_seqs = 1;
  uint32_t n_threads = 0;
  uint32_t n_reps = 5;
  std::string output = "md";
  bool allow_unknown_pre = false;
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
  print_out("{}\n", list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_markdown(const Report& report) {
  print_out(
      "{}, {} weights, {}, {} threads; peak here: {:.1f} GB/s, {:.3f} int8 TOPS, {:.3f} f32 "
      "TFLOPS\n\n",
      report.model, human_bytes(report.weights.n_bytes), report.isa, report.n_threads,
      report.peak.gb_per_s, report.peak.int8_tops, report.peak.f32_tops);
  print_out(
      "| test | tokens/s | GB/s | % of bandwidth | TOPS | % of compute "
      "|\n|---|---:|---:|---:|---:|---:|\n");
  for (const BenchmarkResult& r : report.results) {
    print_out("| {} | {:.1f} | {:.1f} | {:.0f} | {:.3f} | {:.0f} |\n", r.test, r.tokens_per_s,
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

// Told before minutes are spent on loading and measuring.
Status check_sizes(const Options& options, const std::filesystem::path& path) {
  QUERN_ASSIGN(const ModelCard card, read_model_card(path));
  const MetaValue* context = card.find_arch("context_length");
  const uint64_t n_ctx = context == nullptr ? 0 : context->as_u64().value_or(0);
  const uint64_t n_tokens = uint64_t{options.n_depth} + std::max(options.n_prompt, options.n_gen);
  if (n_ctx != 0 && n_tokens > n_ctx) {
    return fail({.where = "bench",
                 .what = fmt::format("{} tokens, the model's context holds {}", n_tokens, n_ctx),
                 .expected = "a smaller --prompt, --gen or --depth"});
  }
  return {};
}

Result<Report> measure(const Options& options) {
  if (options.n_prompt == 0 && options.n_gen == 0) {
    return fail({.kind = ErrorKind::usage,
                 .where = "usage",
                 .what = "--prompt 0 and --gen 0 leave nothing to measure",
                 .expected = "one of them above 0"});
  }
  QUERN_ASSIGN(const std::filesystem::path path, find_model(options.name));
  QUERN_TRY(check_sizes(options, path));
  Report report;
  report.n_threads = options.n_threads == 0 ? available_cores() : options.n_threads;
  QUERN_ASSIGN(const auto loaded,
               LoadedModel::load({.path = path,
                                  .n_threads = report.n_threads,
                                  .isa = forced_isa(),
                                  .max_seqs = std::max(16U, options.n_seqs),
                                  .allow_unknown_pre = options.allow_unknown_pre},
                                 Log::to_stderr(false)));
  report.model = path.filename().string();
  report.isa = loaded->backend().isa();
  report.weights = count_weights(*loaded);
  std::fputs("measuring the machine\n", stderr);
  QUERN_ASSIGN(report.peak, measure_peak({.n_threads = report.n_threads, .isa = report.isa}));
  for (const BenchmarkSpec& spec : specs(options)) {
    const auto progress = [&](uint32_t rep) {
      print_err("{} {}: repetition {} of {}\n", spec.n_gen == 0 ? "prompt" : "generation",
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
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command = app.add_subcommand("bench", "Measure a model's speed on this machine");
  add_model_name(*command, options->name)->required();
  add_unknown_pre_flag(*command, options->allow_unknown_pre);
  const auto number = [&](const char* name, uint32_t& target, const char* help) {
    return command->add_option(name, target, help)->type_name("N");
  };
  number("--prompt", options->n_prompt, "Tokens of the prompt; 0 leaves it out (default: 512)")
      ->check(CLI::Range(0, kMaxTokens));
  number("--gen", options->n_gen, "Tokens to generate; 0 leaves it out (default: 128)")
      ->check(CLI::Range(0, kMaxTokens));
  number("--depth", options->n_depth, "Tokens already in the context (default: 0)")
      ->check(CLI::Range(0, kMaxTokens));
  number("--seqs", options->n_seqs, "Sequences together (default: 1)")->check(CLI::Range(1, 512));
  number("--threads", options->n_threads, "Threads (default: the cores that this process may use)")
      ->check(CLI::Range(1, 1024));
  number("--reps", options->n_reps, "Repetitions of each test (default: 5)")
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--output", options->output, "How results are written: md or json (default: md)")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"md", "json"}));
  command->callback([options, &action] { action = [options] { return bench(*options); }; });
}

}  // namespace quern::app
