// Bodies of OpenAI's routes: whatever they hold, a request or an error in one line comes out.
// First byte: which route; the rest is the body. A chat request is rendered too.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "server/openai_chat.h"
#include "server/openai_completions.h"
#include "server/openai_embeddings.h"
#include "server/openai_tokenize.h"

namespace quern::server {
namespace {

const ChatTemplate& walking_template() {
  static const auto parsed = ChatTemplate::parse(
      "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ m.tool_calls | default([]) | tojson }}"
      "{% endfor %}{{ tools | tojson if tools }}{% if add_generation_prompt %}>{% endif %}");
  QUERN_CHECK(parsed.has_value());
  return *parsed;
}

template <typename Call>
void check_error(const Api<Call>& call) {
  if (!call) {
    QUERN_CHECK(call.error().status == 400 && !call.error().message.empty());
    for (const Dialect dialect : {Dialect::openai, Dialect::ollama, Dialect::anthropic}) {
      QUERN_CHECK(parse_json(error_body(call.error(), dialect)).has_value());
    }
  }
}

void try_chat(std::string_view body) {
  const Api<ChatCall> call = read_chat_call(body);
  check_error(call);
  if (call) {
    QUERN_CHECK(!call->input.messages.items().empty());
    const auto prompt = render_chat(walking_template(), call->input, {});
    QUERN_CHECK(prompt.has_value() || !prompt.error().to_string().contains('\n'));
  }
}

}  // namespace
}  // namespace quern::server

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n_bytes) {
  using namespace quern::server;
  if (n_bytes == 0) {
    return 0;
  }
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, n_bytes - 1);
  switch (data[0] % 5) {
    case 0:
      try_chat(body);
      break;
    case 1:
      check_error(read_completion_call(body));
      break;
    case 2:
      check_error(read_embedding_call(body));
      break;
    case 3:
      check_error(read_tokenize_call(body));
      break;
    default:
      check_error(read_detokenize_call(body));
  }
  return 0;
}
