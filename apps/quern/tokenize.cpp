// quern tokenize: text to token ids, as JSON arrays.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "report.h"
#include "vocabulary.h"

namespace quern::app {
namespace {

struct Options {
  std::string model;
  std::optional<std::string> text;
  std::string jsonl;
  bool plain = false;
  bool add_special = false;
  bool allow_unknown_pre = false;
};

Status print_ids(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options) {
  QUERN_ASSIGN(const std::vector<TokenId> ids, tokenizer.encode(text, options));
  std::string line = "[";
  for (const TokenId id : ids) {
    fmt::format_to(std::back_inserter(line), "{}{}", line.size() > 1 ? "," : "", value(id));
  }
  line += "]\n";
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size()) {
    return fail({.kind = ErrorKind::io,
                 .where = "tokenize",
                 .what = "cannot write to the standard output",
                 .expected = {}});
  }
  return {};
}

Status print_lines(const Tokenizer& tokenizer, const std::string& path, EncodeOptions options) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) {
      return fail({.kind = ErrorKind::not_found,
                   .where = "tokenize",
                   .what = fmt::format("cannot open '{}'", path),
                   .expected = "a readable file with one JSON string a line"});
    }
  }
  std::istream& in = path == "-" ? std::cin : file;
  uint64_t n_lines = 0;
  for (std::string line; std::getline(in, line);) {
    ++n_lines;
    const auto text = nlohmann::json::parse(line, nullptr, false);
    if (!text.is_string()) {
      return fail({.where = "tokenize",
                   .what = fmt::format("line {} of '{}' is no JSON string", n_lines, path),
                   .expected = "one JSON string a line"});
    }
    QUERN_TRY(print_ids(tokenizer, text.get_ref<const std::string&>(), options));
  }
  return {};
}

Status tokenize(const Options& options) {
  QUERN_ASSIGN(const auto tokenizer, load_vocabulary({options.model, options.allow_unknown_pre}));
  const EncodeOptions how{.add_special = options.add_special, .parse_special = !options.plain};
  if (!options.jsonl.empty()) {
    return print_lines(*tokenizer, options.jsonl, how);
  }
  if (options.text) {
    return print_ids(*tokenizer, *options.text, how);
  }
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  return print_ids(*tokenizer, text, how);
}

}  // namespace

void register_tokenize(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command = app.add_subcommand("tokenize", "Turn text into token ids");
  command->add_option("MODEL", options->model, "A name that `quern list` shows, or a path")
      ->required();
  CLI::Option* text =
      command->add_option("TEXT", options->text, "The text (default: standard input)");
  command->add_option("--jsonl", options->jsonl, "One JSON string a line in, one array a line out")
      ->type_name("FILE")
      ->excludes(text);
  command->add_flag("--plain", options->plain, "Take the text of special tokens as plain text");
  command->add_flag("--add-special", options->add_special,
                    "Add the tokens that the model puts around a text");
  command->add_flag("--allow-unknown-pre", options->allow_unknown_pre,
                    "Use the default pre-tokenizer where the model's is unknown");
  command->callback([options, &action] {
    action = [options] {
      const Status status = tokenize(*options);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
