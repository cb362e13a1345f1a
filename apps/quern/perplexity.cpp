// quern perplexity: how well a model predicts a text; the field's usual figure for comparing files.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "engine/plain_prompt.h"
#include "gguf/validate.h"
#include "input_file.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "sampling/usable_logits.h"
#include "session.h"
#include "text/printable.h"

namespace quern::app {
namespace {

struct Options {
  ModelFlags model;
  std::string file;
  uint32_t n_ctx = 512;
  uint32_t n_chunks = 0;  // 0: the whole file
  bool json = false;
};

Result<std::string> read_text(const std::string& path) {
  QUERN_ASSIGN(InputFile file,
               InputFile::open(path, {.where = "perplexity", .expected = "a file with text"}));
  QUERN_ASSIGN(std::string text, file.read_all());
  if (text.empty()) {
    return fail({.where = "perplexity",
                 .what = fmt::format("'{}' is empty", printable(path, 200)),
                 .expected = "a file with text"});
  }
  return text;
}

// -ln p(token) after these logits, summed in double: 50,000 exponentials lose digits in float.
double negative_log_likelihood(std::span<const float> logits, TokenId token) {
  const float highest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit - highest));
  }
  return std::log(sum) - static_cast<double>(logits[static_cast<size_t>(value(token))] - highest);
}

// The mean over all scored tokens, and how sure it is.
class Score {
 public:
  void add(double nll) {
    ++n_;
    sum_ += nll;
    sum_of_squares_ += nll * nll;
  }
  uint64_t n() const { return n_; }
  double perplexity() const { return std::exp(mean()); }
  // The standard error of the mean, carried through exp to first order: d(e^x) = e^x dx.
  double standard_error() const {
    if (n_ < 2) {
      return 0;
    }
    const double variance = sum_of_squares_ / static_cast<double>(n_) - mean() * mean();
    return std::sqrt(std::max(0.0, variance) / static_cast<double>(n_ - 1)) * perplexity();
  }

 private:
  double mean() const { return n_ == 0 ? 0 : sum_ / static_cast<double>(n_); }

  uint64_t n_ = 0;
  double sum_ = 0;
  double sum_of_squares_ = 0;
};

// Scores the second half of one window, so that each prediction has at least half of it to go by.
Status score_window(Engine& engine, std::vector<TokenId> window, Score& score) {
  const size_t n_ctx = window.size();
  std::string failure;
  bool usable = true;
  const std::vector<TokenId> tokens = window;
  const auto on_logits = [&](uint32_t position, std::span<const float> logits) {
    usable = usable && are_usable(logits);
    if (position >= n_ctx / 2 && position + 1 < n_ctx) {
      score.add(negative_log_likelihood(logits, tokens[position + 1]));
    }
  };
  const auto on_event = [&](const TokenEvent& event) { failure = event.error; };
  QUERN_TRY(
      engine.submit({.prompt = std::move(window), .on_event = on_event, .on_logits = on_logits}));
  while (engine.has_work()) {
    engine.step();
  }
  if (!usable) {
    return unusable_logits("perplexity");
  }
  if (!failure.empty()) {
    return fail(
        {.kind = ErrorKind::device, .where = "perplexity", .what = failure, .expected = {}});
  }
  return {};
}

void print(const Options& options, const Score& score, uint64_t n_chunks) {
  if (options.json) {
    const nlohmann::ordered_json result = {{"perplexity", score.perplexity()},
                                           {"stderr", score.standard_error()},
                                           {"n_tokens", score.n()},
                                           {"ctx", options.n_ctx},
                                           {"chunks", n_chunks}};
    print_out("{}\n", result.dump());
    return;
  }
  print_out("perplexity {:.4f} +/- {:.4f} over {} tokens ({} windows of {})\n", score.perplexity(),
            score.standard_error(), score.n(), n_chunks, options.n_ctx);
}

// The whole text as tokens, with BOS where the model adds one; special text is plain text here.
Result<std::vector<TokenId>> text_tokens(const Tokenizer& tokenizer, std::string_view text) {
  QUERN_ASSIGN(std::vector<TokenId> tokens,
               tokenizer.encode(text, {.add_special = false, .parse_special = false}));
  if (const auto bos = leading_bos(tokenizer)) {
    tokens.insert(tokens.begin(), *bos);
  }
  return tokens;
}

Status perplexity(const Options& options) {
  QUERN_ASSIGN(const std::filesystem::path path, find_model(options.model.name));
  QUERN_ASSIGN(const std::string text, read_text(options.file));
  QUERN_ASSIGN(const Session session, open_session(options.model, {path, options.n_ctx}));
  const Tokenizer& tokenizer = session.model->tokenizer();
  QUERN_ASSIGN(const std::vector<TokenId> tokens, text_tokens(tokenizer, text));
  const uint64_t n_windows = tokens.size() / options.n_ctx;
  if (n_windows == 0) {
    return fail({.where = "perplexity",
                 .what = fmt::format("'{}' has {} tokens, a window {}", options.file, tokens.size(),
                                     options.n_ctx),
                 .expected = "a longer text, or a smaller --ctx"});
  }
  const uint64_t n_chunks =
      options.n_chunks == 0 ? n_windows : std::min<uint64_t>(options.n_chunks, n_windows);
  Progress progress("scoring");
  Score score;
  for (uint64_t i = 0; i < n_chunks; ++i) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(i * options.n_ctx);
    std::vector<TokenId> window(begin, begin + options.n_ctx);
    window.front() = leading_bos(tokenizer).value_or(window.front());
    QUERN_TRY(score_window(*session.engine, std::move(window), score));
    progress.update(i + 1, n_chunks, fmt::format("perplexity {:.4f}", score.perplexity()));
  }
  progress.finish();
  print(options, score, n_chunks);
  return {};
}

}  // namespace

void register_perplexity(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command =
      app.add_subcommand("perplexity", "Measure how well a model predicts the text of a file");
  add_model_flags(*command, options->model);
  command->add_option("FILE", options->file, "The text; - is the standard input")->required();
  command->add_option("--ctx", options->n_ctx, "Tokens of a window (default: 512)")
      ->type_name("N")
      ->check(CLI::Range(4U, static_cast<uint32_t>(model_limits::kContext)));
  command
      ->add_option("--chunks", options->n_chunks, "Score only the first N windows (default: all)")
      ->type_name("N")
      ->check(CLI::Range(1U, std::numeric_limits<uint32_t>::max()));
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &action] {
    action = [options] {
      const Status status = perplexity(*options);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
