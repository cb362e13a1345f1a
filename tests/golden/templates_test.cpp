// Every golden chat template renders as Jinja2 with Hugging Face's settings renders it.
#include <gtest/gtest.h>

#include <filesystem>

#include "server/json_value.h"
#include "support/golden.h"
#include "text/chat_template.h"

namespace quern::test {
namespace {

using server::Json;

Result<std::string> render_case(const ChatTemplate& chat, const Json& file, const Json& one_case) {
  Json input = one_case.at("input");
  input["variables"] = file.at("variables");
  QUERN_ASSIGN(const jinja::Dict context, server::template_context(input));
  QUERN_ASSIGN(const std::tm now, parse_time(file.at("now").get<std::string>()));
  return chat.render(context, now);
}

// "TemplateError: message" is a type and the message.
std::string message_of(const std::string& error) {
  return error.substr(error.find(": ") + 2);
}

void check_case(const ChatTemplate& chat, const Json& file, const Json& one_case) {
  const Result<std::string> text = render_case(chat, file, one_case);
  if (one_case.contains("error")) {
    ASSERT_FALSE(text.has_value()) << *text;
    const std::string message = message_of(one_case.at("error").get<std::string>());
    EXPECT_NE(text.error().what.find(message), std::string::npos) << text.error().to_string();
    return;
  }
  ASSERT_TRUE(text.has_value()) << text.error().to_string();
  EXPECT_EQ(*text, one_case.at("expected").get<std::string>());
}

TEST(GoldenTemplates, RenderAsJinja2Does) {
  const std::filesystem::path dir = golden_dir() / "templates";
  QUERN_NEED_GOLDEN(dir);
  int n_cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().extension() != ".json") {
      continue;
    }
    const Json file = Json::parse(read_text(entry.path()));
    const std::string name = file.at("template").get<std::string>();
    const auto chat = ChatTemplate::parse(read_text(dir / name));
    ASSERT_TRUE(chat.has_value()) << name << ": " << chat.error().to_string();
    for (const Json& one_case : file.at("cases")) {
      SCOPED_TRACE(name + ", " + one_case.at("case").get<std::string>());
      check_case(*chat, file, one_case);
      ++n_cases;
    }
  }
  EXPECT_GT(n_cases, 0);
  RecordProperty("cases", n_cases);
}

}  // namespace
}  // namespace quern::test
