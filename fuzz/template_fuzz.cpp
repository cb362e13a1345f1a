// Any text as a chat template, rendered with a fixed conversation and small limits: it ends soon,
// with a text or an error, and a second render gives the same.
#include <cstdint>
#include <ctime>
#include <string_view>

#include "base/check.h"
#include "text/chat_template.h"

namespace quern {
namespace {

using jinja::Dict;
using jinja::Value;

Value text(std::string_view s) {
  return Value::string(std::string(s));
}

Dict make_context() {
  Dict function;
  function.set("name", text("f"));
  function.set("arguments", Value::list({Value::integer(1), Value::real(2.5), Value::none()}));
  Dict call;
  call.set("function", Value::dict(function));
  Dict user;
  user.set("role", text("user"));
  user.set("content", text("Grüße <b>\n 日本 "));
  Dict assistant;
  assistant.set("role", text("assistant"));
  assistant.set("tool_calls", Value::list({Value::dict(call)}));
  Dict context;
  context.set("messages", Value::list({Value::dict(user), Value::dict(assistant)}));
  context.set("tools", Value::list({Value::dict(call)}));
  context.set("add_generation_prompt", Value::boolean(true));
  context.set("n", Value::integer(3));
  context.set("s", text("some text"));
  context.set("l", Value::list({Value::integer(3), Value::integer(1), text("x")}));
  return context;
}

constexpr jinja::Limits kLimits = {
    .source_bytes = 1 << 16, .fuel = 20'000'000, .output_bytes = 1 << 20, .memory_bytes = 16 << 20};

void run(std::string_view source) {
  static const Dict context = make_context();
  const auto chat = ChatTemplate::parse(source, kLimits);
  if (!chat) {
    QUERN_CHECK(chat.error().where == "template");
    return;
  }
  const auto first = chat->render(context, std::tm{});
  const auto second = chat->render(context, std::tm{});
  QUERN_CHECK(first.has_value() == second.has_value());
  QUERN_CHECK(first ? *first == *second : first.error().where == "template");
}

}  // namespace
}  // namespace quern

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n_bytes) {
  quern::run({reinterpret_cast<const char*>(data), n_bytes});
  return 0;
}
