// quern logits: the raw logits after each of some tokens, for comparison with other programs.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "commands.h"
#include "input_file.h"
#include "progress.h"
#include "report.h"
#include "sampling/usable_logits.h"
#include "session.h"
#include "text/printable.h"

namespace quern::app {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is written as memory has it");

struct Options {
  ModelFlags model;
  std::string tokens;
  std::string out;
};

std::unexpected<Error> bad_tokens(std::string_view part) {
  return fail({.kind = ErrorKind::usage,
               .where = "usage",
               .what = fmt::format("--tokens has '{}'", printable(part)),
               .expected = "token ids with commas between them, as in 1,2,3"});
}

Result<std::vector<TokenId>> parse_tokens(std::string_view list) {
  std::vector<TokenId> tokens;
  while (true) {
    const std::string_view part = list.substr(0, list.find(','));
    int32_t id = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), id);
    if (error != std::errc{} || end != part.data() + part.size()) {
      return bad_tokens(part);
    }
    tokens.push_back(TokenId{id});
    if (part.size() == list.size()) {
      return tokens;
    }
    list.remove_prefix(part.size() + 1);
  }
}

struct Output {
  std::string path;
  // "-" is the standard output, which others close.
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{stdout, &std::fflush};

  bool is_stdout() const { return path == "-"; }

  Status open() {
    if (!is_stdout()) {
      file = {std::fopen(path.c_str(), "wb"), &std::fclose};
    }
    return file ? Status() : cannot_write({.kind = kind_of_open_error(errno), .code = errno});
  }

  struct Failure {
    ErrorKind kind = ErrorKind::io;
    int code = 0;  // errno
  };
  std::unexpected<Error> cannot_write(Failure failure) const {
    return fail({.kind = failure.kind,
                 .where = "logits",
                 .what = fmt::format(
                     "cannot write {}: {}",
                     is_stdout() ? "to the standard output" : "'" + printable(path, 200) + "'",
                     std::strerror(failure.code)),
                 .expected = is_stdout() ? "a standard output that can be written"
                                         : "a file that can be written"});
  }
};

// Opening the output empties it, which must not happen to the weights that are being read.
Status check_output(const std::string& path, const ModelCard& card) {
  const auto is_output = [&](const std::filesystem::path& file) {
    std::error_code none_there;
    return std::filesystem::equivalent(file, path, none_there);
  };
  if (std::ranges::any_of(card.files(), is_output)) {
    return fail({.where = "logits",
                 .what = fmt::format("--out '{}' is the model itself", printable(path, 200)),
                 .expected = "another file"});
  }
  return {};
}

// Computes the tokens as one prompt; each row goes to the file as it comes. A file of that name
// that is already there is kept when the tokens are refused.
Status write_rows(Engine& engine, std::vector<TokenId> tokens, const std::string& path) {
  const uint64_t n_tokens = tokens.size();
  Output out{.path = path};
  Progress progress("computing");
  int error_code = 0;
  bool usable = true;
  std::string failure;
  const auto on_logits = [&](uint32_t position, std::span<const float> row) {
    usable = usable && are_usable(row);
    if (error_code == 0 &&
        std::fwrite(row.data(), sizeof(float), row.size(), out.file.get()) != row.size()) {
      error_code = errno;
    }
    progress.update(position + 1, n_tokens);
  };
  const auto on_event = [&](const TokenEvent& event) { failure = event.error; };
  QUERN_TRY(
      engine.submit({.prompt = std::move(tokens), .on_event = on_event, .on_logits = on_logits}));
  QUERN_TRY(out.open());
  while (engine.has_work() && error_code == 0 && usable) {
    engine.step();
  }
  if (!usable) {
    return unusable_logits("logits");
  }
  if (!failure.empty()) {
    return fail({.kind = ErrorKind::device, .where = "logits", .what = failure, .expected = {}});
  }
  const auto close = out.file.get_deleter();
  if (error_code == 0 && close(out.file.release()) != 0) {
    error_code = errno;
  }
  const bool reader_left = out.is_stdout() && error_code == EPIPE;
  if (reader_left) {
    std::clearerr(stdout);  // it has seen enough: nothing is wrong with the output
  }
  return error_code == 0 || reader_left ? Status() : out.cannot_write({.code = error_code});
}

Status logits(const Options& options) {
  QUERN_ASSIGN(std::vector<TokenId> tokens, parse_tokens(options.tokens));
  QUERN_ASSIGN(const std::filesystem::path path, find_model(options.model.name));
  QUERN_ASSIGN(const Session session,
               open_session(options.model, {path, static_cast<uint32_t>(tokens.size())}));
  QUERN_TRY(check_output(options.out, session.model->card()));
  return write_rows(*session.engine, std::move(tokens), options.out);
}

}  // namespace

void register_logits(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command =
      app.add_subcommand("logits", "Write the raw logits after each token of a prompt");
  add_model_flags(*command, options->model);
  command->add_option("--tokens", options->tokens, "Token ids, as in 1,2,3; no BOS is added")
      ->type_name("IDS")
      ->required();
  command
      ->add_option("--out", options->out,
                   "The file to write: float32, little-endian, [n_tokens, vocab_size]; - is the "
                   "standard output")
      ->type_name("FILE")
      ->required();
  command->callback([options, &action] {
    action = [options] {
      const Status status = logits(*options);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
