// quern template: a conversation as JSON on stdin, the prompt that the model sees on stdout.
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "commands.h"
#include "gguf/reader.h"
#include "host.h"
#include "json_value.h"
#include "report.h"
#include "text/chat_template.h"

namespace quern::app {
namespace {

struct Options {
  std::string model;
  std::string template_path;
};

// The template's text, and the model's own variables where there is a model.
struct Source {
  std::string text;
  Json variables = Json::object();
};

Result<std::string> read_file(const std::string& path) {
  std::error_code ec;
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path, ec)) {
    return fail({.kind = ErrorKind::not_found,
                 .where = "template",
                 .what = "cannot read '" + path + "'",
                 .expected = "a file with a Jinja template"});
  }
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The text of the token whose id a key of the file holds.
std::optional<std::string> token_text(const ModelCard& card, std::string_view id_key) {
  const auto index = card.u64(id_key);
  const auto tokens = card.strings("tokenizer.ggml.tokens");
  if (!index || !tokens || *index >= tokens->size()) {
    return std::nullopt;
  }
  return std::string((*tokens)[*index]);
}

Status read_model(const Options& options, Source& source) {
  QUERN_ASSIGN(const std::filesystem::path path, resolve_model(options.model, host_paths()));
  QUERN_ASSIGN(const ModelCard card, read_model_card(path));
  if (const auto bos = token_text(card, "tokenizer.ggml.bos_token_id")) {
    source.variables["bos_token"] = *bos;
  }
  if (const auto eos = token_text(card, "tokenizer.ggml.eos_token_id")) {
    source.variables["eos_token"] = *eos;
  }
  if (!options.template_path.empty()) {
    return {};
  }
  const auto text = card.string("tokenizer.chat_template");
  if (!text) {
    return fail({.where = "template",
                 .what = "'" + path.string() + "' has no chat template",
                 .expected = "a model with one, or --template FILE"});
  }
  source.text = std::string(*text);
  return {};
}

Result<Source> read_source(const Options& options) {
  Source source;
  if (options.model.empty() && options.template_path.empty()) {
    return fail({.kind = ErrorKind::usage,
                 .where = "usage",
                 .what = "no template given",
                 .expected = "MODEL or --template FILE"});
  }
  if (!options.model.empty()) {
    QUERN_TRY(read_model(options, source));
  }
  if (!options.template_path.empty()) {
    QUERN_ASSIGN(source.text, read_file(options.template_path));
  }
  return source;
}

Result<Json> read_input() {
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  Json input = Json::parse(text, nullptr, false);
  if (input.is_discarded() || !input.is_object()) {
    return fail({.where = "template",
                 .what = "stdin holds no JSON object",
                 .expected = R"({"messages":[{"role":"user","content":"Hello"}]})"});
  }
  return input;
}

Result<std::tm> time_of(const Json& input) {
  const auto it = input.find("now");
  if (it == input.end() || it->is_null()) {
    const std::time_t seconds = std::time(nullptr);
    std::tm now{};
    localtime_r(&seconds, &now);
    return now;
  }
  if (!it->is_string()) {
    return fail({.where = "template",
                 .what = "'now' is not a string",
                 .expected = "a time like 2026-01-15T12:00:00"});
  }
  return parse_time(it->get<std::string>());
}

Status run(const Options& options) {
  QUERN_ASSIGN(Source source, read_source(options));
  QUERN_ASSIGN(const ChatTemplate chat, ChatTemplate::parse(source.text));
  QUERN_ASSIGN(Json input, read_input());
  QUERN_ASSIGN(const std::tm now, time_of(input));
  Json& variables = input["variables"];
  if (variables.is_null()) {
    variables = Json::object();
  }
  if (!variables.is_object()) {
    return fail({.where = "template",
                 .what = "'variables' is not an object",
                 .expected = R"({"bos_token":"<s>"})"});
  }
  for (const auto& [name, value] : source.variables.items()) {
    if (!variables.contains(name)) {
      variables[name] = value;
    }
  }
  QUERN_ASSIGN(const jinja::Dict context, template_context(input));
  QUERN_ASSIGN(const std::string prompt, chat.render(context, now));
  std::cout << prompt << std::flush;
  return {};
}

}  // namespace

void register_template(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command =
      app.add_subcommand("template", "Render a conversation (JSON on stdin) with a chat template");
  command->add_option("MODEL", options->model, "A name that `quern list` shows, or a path");
  command->add_option("--template", options->template_path, "A Jinja file instead of the model's")
      ->type_name("FILE");
  command->callback([options, &action] {
    action = [options] {
      const Status status = run(*options);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
