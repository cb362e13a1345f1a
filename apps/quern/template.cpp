// quern template: a conversation as JSON on stdin, the prompt that the model sees on stdout.
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "commands.h"
#include "gguf/reader.h"
#include "json_value.h"
#include "report.h"
#include "text/chat_template.h"

namespace quern::app {

namespace {

struct TemplateOptions {
  std::string model;
  std::string template_path;
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return fail({.kind = ErrorKind::not_found,
                 .where = "template",
                 .what = "cannot read '" + path + "'",
                 .expected = "a file with a Jinja template"});
  }
  return std::string(std::istreambuf_iterator<char>(in), {});
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

Status run(const TemplateOptions& options) {
  QUERN_ASSIGN(const std::string source, template_source(options));
  QUERN_ASSIGN(const ChatTemplate chat, ChatTemplate::parse(source));
  QUERN_ASSIGN(const Json input, read_input());
  QUERN_ASSIGN(const std::tm now, time_of(input));
  QUERN_ASSIGN(const jinja::Dict context, template_context(input));
  QUERN_ASSIGN(const std::string prompt, chat.render(context, now));
  std::cout << prompt << std::flush;
  return {};
}

}  // namespace

}  // namespace quern::app
