// Renders templates for jinja_world.py: a JSON object a line in, {"template", "context", "now"},
// and
// {"text"} or {"error"} a line out.
#include <iostream>
#include <string>

#include "server/json_value.h"
#include "text/chat_template.h"

namespace {

using quern::server::Json;

quern::Result<std::string> render(const Json& line) {
  QUERN_ASSIGN(const quern::ChatTemplate chat,
               quern::ChatTemplate::parse(line.at("template").get<std::string>()));
  quern::jinja::Dict context;
  for (const auto& [name, json] : line.at("context").items()) {
    QUERN_ASSIGN(quern::jinja::Value value, quern::server::to_value(json));
    context.set(name, std::move(value));
  }
  QUERN_ASSIGN(const std::tm now, quern::parse_time(line.at("now").get<std::string>()));
  return chat.render(context, now);
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    const auto text = render(Json::parse(line));
    Json answer;
    answer[text ? "text" : "error"] = text ? *text : text.error().to_string();
    std::cout << answer.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  }
  return 0;
}
