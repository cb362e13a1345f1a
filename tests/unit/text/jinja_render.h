// Renders a template for the tests beside this file.
#pragma once

#include <string>
#include <string_view>

#include "text/chat_template.h"

namespace quern::test {

inline Result<std::string> render_result(std::string_view source, const jinja::Dict& context = {},
                                         const jinja::Limits& limits = {}) {
  QUERN_ASSIGN(const ChatTemplate chat, ChatTemplate::parse(source, limits));
  std::tm now{};
  now.tm_year = 126;
  now.tm_mday = 15;
  now.tm_hour = 13;
  now.tm_wday = 4;
  now.tm_yday = 14;
  return chat.render(context, now);
}

// The text, or the error.
inline std::string render(std::string_view source, const jinja::Dict& context = {}) {
  const auto text = render_result(source, context);
  return text ? *text : text.error().to_string();
}

}  // namespace quern::test
