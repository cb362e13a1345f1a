// quern template: a conversation as JSON on stdin, the prompt that the model sees on stdout.
#include <array>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "commands.h"
#include "gguf/reader.h"
#include "input_file.h"
#include "model_name.h"
#include "output.h"
#include "report.h"
#include "server/json_value.h"
#include "text/chat_template.h"

namespace quern::app {
namespace {

using server::Json;

struct Options {
  ModelName name;
  std::string template_path;
};

// The template's text, and the model's own variables where there is a model.
struct Source {
  std::string text;
  Json variables = Json::object();
};

Result<std::string> read_template(const std::string& path) {
  QUERN_ASSIGN(InputFile file, InputFile::open(path, {.where = "template",
                                                      .expected = "a file with a Jinja template"}));
  return file.read_all();
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
  QUERN_ASSIGN(const std::filesystem::path path, find_model(options.name));
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
  if (options.name.model.empty() && options.template_path.empty()) {
    return fail({.kind = ErrorKind::usage,
                 .where = "usage",
                 .what = "no template given",
                 .expected = "MODEL or --template FILE"});
  }
  if (!options.name.model.empty()) {
    QUERN_TRY(read_model(options, source));
  }
  if (!options.template_path.empty()) {
    QUERN_ASSIGN(source.text, read_template(options.template_path));
  }
  return source;
}

// A kind of JSON that a field of the input must have where it is given.
struct FieldRule {
  const char* name;
  bool (Json::*is_fine)() const noexcept;
  const char* expected;
};

constexpr std::array<FieldRule, 5> kFieldRules = {{
    {"messages", &Json::is_array, R"(a list like [{"role":"user","content":"Hello"}])"},
    {"tools", &Json::is_array, "a list of tools, or null"},
    {"documents", &Json::is_array, "a list of documents, or null"},
    {"add_generation_prompt", &Json::is_boolean, "true or false"},
    {"variables", &Json::is_object, R"(an object like {"bos_token":"<s>"})"},
}};

std::unexpected<Error> bad_field(const std::string& field, const Json& value,
                                 std::string expected) {
  return fail({.where = "template",
               .what = "'" + field + "' is " +
                       (value.is_array() || value.is_object() ? "an " : "a ") + value.type_name(),
               .expected = std::move(expected)});
}

// Templates take any value silently, and what comes out of a wrong one looks like a prompt.
Status check_fields(const Json& input) {
  if (!input.contains("messages")) {
    return fail({.where = "template",
                 .what = "there are no 'messages'",
                 .expected = kFieldRules[0].expected});
  }
  for (const FieldRule& rule : kFieldRules) {
    const auto it = input.find(rule.name);
    const bool may_be_null = std::string_view(rule.name) != "messages";
    if (it != input.end() && !((*it).*rule.is_fine)() && !(may_be_null && it->is_null())) {
      return bad_field(rule.name, *it, rule.expected);
    }
  }
  const Json& messages = input["messages"];
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object()) {
      return bad_field("messages[" + std::to_string(i) + "]", messages[i],
                       R"(an object like {"role":"user","content":"Hello"})");
    }
  }
  return {};
}

Result<Json> read_input() {
  QUERN_ASSIGN(InputFile file,
               InputFile::open("-", {.where = "template", .expected = "a JSON object"}));
  QUERN_ASSIGN(const std::string text, file.read_all());
  Json input = Json::parse(text, nullptr, false);
  if (input.is_discarded() || !input.is_object()) {
    return fail({.where = "template",
                 .what = "stdin holds no JSON object",
                 .expected = R"({"messages":[{"role":"user","content":"Hello"}]})"});
  }
  QUERN_TRY(check_fields(input));
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
  for (const auto& [name, value] : source.variables.items()) {
    if (!variables.contains(name)) {
      variables[name] = value;
    }
  }
  QUERN_ASSIGN(const jinja::Dict context, server::template_context(input));
  QUERN_ASSIGN(const std::string prompt, chat.render(context, now));
  return write_output(prompt);
}

}  // namespace

void register_template(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command =
      app.add_subcommand("template", "Render a conversation (JSON on stdin) with a chat template");
  add_model_name(*command, options->name);
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
