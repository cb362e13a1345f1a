// quern tokenize: text to token ids, as JSON arrays.
#include <fmt/format.h>

#include <iterator>
#include <memory>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "commands.h"
#include "input_file.h"
#include "output.h"
#include "report.h"
#include "vocabulary.h"

namespace quern::app {
namespace {

struct Options {
  VocabularyFlags vocabulary;
  std::optional<std::string> text;
  std::string jsonl;
  bool plain = false;
  bool add_special = false;
};

// Some byte-level vocabularies lack bytes (SmolLM2's has no vertical tab), and a text that holds
// one comes back shorter.
Status warn_about_lost_bytes(const Tokenizer& tokenizer, std::string_view text) {
  QUERN_ASSIGN(const std::vector<TokenId> ids,
               tokenizer.encode(text, {.add_special = false, .parse_special = false}));
  const size_t n_kept = tokenizer.decode(ids, {}).size();
  if (n_kept < text.size()) {
    Log::to_stderr(false).warn(
        fmt::format("[tokenize] {} of the text's {} bytes have no token in this vocabulary and are "
                    "left out",
                    text.size() - n_kept, text.size()));
  }
  return {};
}

Status print_ids(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options) {
  QUERN_ASSIGN(const std::vector<TokenId> ids, tokenizer.encode(text, options));
  if (tokenizer.kind() == TokenizerKind::bpe && tokenizer.decode(ids, {}).size() < text.size()) {
    QUERN_TRY(warn_about_lost_bytes(tokenizer, text));
  }
  std::string line = "[";
  for (const TokenId id : ids) {
    fmt::format_to(std::back_inserter(line), "{}{}", line.size() > 1 ? "," : "", value(id));
  }
  line += "]\n";
  return write_output(line);
}

Status print_lines(const Tokenizer& tokenizer, const std::string& path, EncodeOptions options) {
  QUERN_ASSIGN(InputFile file,
               InputFile::open(
                   path, {.where = "tokenize", .expected = "a file with one JSON string a line"}));
  std::string line;
  for (uint64_t n_lines = 1;; ++n_lines) {
    QUERN_ASSIGN(const bool is_line, file.read_line(line));
    if (!is_line) {
      return {};
    }
    const auto text = nlohmann::json::parse(line, nullptr, false);
    if (!text.is_string()) {
      return fail({.where = "tokenize",
                   .what = fmt::format("line {} of '{}' is no JSON string", n_lines, path),
                   .expected = "one JSON string a line"});
    }
    QUERN_TRY(print_ids(tokenizer, text.get_ref<const std::string&>(), options));
  }
}

Status tokenize(const Options& options) {
  QUERN_ASSIGN(const auto tokenizer, load_vocabulary(options.vocabulary));
  const EncodeOptions how{.add_special = options.add_special, .parse_special = !options.plain};
  if (!options.jsonl.empty()) {
    return print_lines(*tokenizer, options.jsonl, how);
  }
  if (options.text) {
    return print_ids(*tokenizer, *options.text, how);
  }
  QUERN_ASSIGN(InputFile input,
               InputFile::open("-", {.where = "tokenize", .expected = "the text"}));
  QUERN_ASSIGN(const std::string text, input.read_all());
  return print_ids(*tokenizer, text, how);
}

}  // namespace

void register_tokenize(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command = app.add_subcommand("tokenize", "Turn text into token ids");
  add_vocabulary_flags(*command, options->vocabulary);
  CLI::Option* text =
      command->add_option("TEXT", options->text, "The text (default: standard input)");
  command->add_option("--jsonl", options->jsonl, "One JSON string a line in, one array a line out")
      ->type_name("FILE")
      ->excludes(text);
  command->add_flag("--plain", options->plain, "Take the text of special tokens as plain text");
  command->add_flag("--add-special", options->add_special,
                    "Add the tokens that the model puts around a text");
  command->callback([options, &action] {
    action = [options] {
      const Status status = tokenize(*options);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
