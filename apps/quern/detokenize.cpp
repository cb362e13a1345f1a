// quern detokenize: token ids to the bytes that they stand for.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "commands.h"
#include "report.h"
#include "vocabulary.h"

namespace quern::app {
namespace {

struct Options {
  std::string model;
  std::vector<int64_t> ids;
  bool allow_unknown_pre = false;
};

Status detokenize(const Options& options) {
  QUERN_ASSIGN(const auto tokenizer, load_vocabulary({options.model, options.allow_unknown_pre}));
  std::vector<TokenId> ids;
  for (const int64_t id : options.ids) {
    if (id < 0 || id >= static_cast<int64_t>(tokenizer->vocab_size())) {
      return fail({.where = "detokenize",
                   .what = fmt::format("there is no token {}", id),
                   .expected = fmt::format("ids from 0 to {}", tokenizer->vocab_size() - 1)});
    }
    ids.push_back(TokenId{static_cast<int32_t>(id)});
  }
  const std::string text = tokenizer->decode(ids, {});
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return fail({.kind = ErrorKind::io,
                 .where = "detokenize",
                 .what = "cannot write to the standard output",
                 .expected = {}});
  }
  return {};
}

}  // namespace

void register_detokenize(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command = app.add_subcommand("detokenize", "Turn token ids back into text");
  command->add_option("MODEL", options->model, "A name that `quern list` shows, or a path")
      ->required();
  command->add_option("ID", options->ids, "Token ids");
  command->add_flag("--allow-unknown-pre", options->allow_unknown_pre,
                    "Use the default pre-tokenizer where the model's is unknown");
  command->callback([options, &action] {
    action = [options] {
      const Status status = detokenize(*options);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
