// quern detokenize: token ids to the bytes that they stand for.
#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "output.h"
#include "report.h"
#include "vocabulary.h"

namespace quern::app {
namespace {

struct Options {
  VocabularyFlags vocabulary;
  std::vector<int64_t> ids;
};

Status detokenize(const Options& options) {
  QUERN_ASSIGN(const auto tokenizer, load_vocabulary(options.vocabulary));
  std::vector<TokenId> ids;
  for (const int64_t id : options.ids) {
    if (id < 0 || id >= static_cast<int64_t>(tokenizer->vocab_size())) {
      return fail({.where = "detokenize",
                   .what = fmt::format("there is no token {}", id),
                   .expected = fmt::format("ids from 0 to {}", tokenizer->vocab_size() - 1)});
    }
    ids.push_back(TokenId{static_cast<int32_t>(id)});
  }
  return write_output(tokenizer->decode(ids, {}));
}

}  // namespace

void register_detokenize(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command = app.add_subcommand("detokenize", "Turn token ids back into text");
  add_vocabulary_flags(*command, options->vocabulary);
  command->add_option("ID", options->ids, "Token ids");
  command->callback([options, &action] {
    action = [options] {
      const Status status = detokenize(*options);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
