#include "server/ollama_call.h"

#include <fmt/format.h>

#include <utility>

#include "server/chat_request.h"

namespace quern::server {
namespace {

void add_message(Fields& fields, const MessageParts& parts, std::vector<jinja::Value>& messages) {
  auto value = make_message(parts);
  if (!value) {
    fields.fault("messages", value.error().what);
    return;
  }
  messages.push_back(std::move(*value));
}

// What raw leaves out: the prompt is all there is.
void check_raw(Fields& fields) {
  for (const std::string_view name : {"system", "context"}) {
    if (fields.find(name) != nullptr) {
      fields.unsupported(name, "raw takes the prompt as it stands; expected raw or this, not both");
    }
  }
}

void read_generate_input(Fields& fields, OllamaCall& call) {
  std::string system;
  std::string prompt;
  fields.text("system", system);
  fields.text("prompt", prompt);
  std::vector<jinja::Value> messages;
  if (!system.empty()) {
    add_message(fields, {.role = "system", .content = system}, messages);
  }
  add_message(fields, {.role = "user", .content = prompt}, messages);
  call.input.messages = jinja::Value::list(std::move(messages));
  call.input.last_role = "user";
  call.input.field = "prompt";
  call.only_loads = prompt.empty();
  call.text = call.is_raw || system.empty() ? prompt : system + "\n" + prompt;
}

void read_call(Fields& call, MessageParts& out) {
  call.require("function");
  const Json* function = call.object("function");
  if (function == nullptr) {
    return;
  }
  ToolCallParts parts;
  call.text("id", parts.id, kMaxNameChars);
  Fields members(*function, call.full_name("function") + ".");
  members.require("name");
  members.text("name", parts.name, kMaxNameChars);
  const Json* arguments = members.object("arguments");
  parts.arguments = arguments == nullptr ? Json::object() : *arguments;
  call.adopt(members);
  out.tool_calls.push_back(std::move(parts));
}

void read_message(Fields& message, MessageParts& out) {
  message.require("role");
  message.word("role", out.role, {"system", "user", "assistant", "tool"});
  message.text("content", out.content);
  message.text("thinking", out.reasoning);
  message.unsupported("images", "only text is");
  message.text("tool_name", out.name, kMaxNameChars);
  message.text("tool_call_id", out.tool_call_id, kMaxNameChars);
  message.each({.name = "tool_calls",
                .json = message.array("tool_calls", {0, kMaxToolCalls}),
                .expected = "a tool call"},
               [&out](Fields& item) { read_call(item, out); });
}

void read_chat_messages(Fields& fields, OllamaCall& call) {
  std::vector<jinja::Value> messages;
  fields.each({.name = "messages",
               .json = fields.array("messages", {0, kMaxMessages}),
               .expected = R"(a message like {"role":"user","content":"Hello"})"},
              [&](Fields& message) {
                MessageParts parts;
                read_message(message, parts);
                add_message(fields, parts, messages);
                call.input.last_role = parts.role;
              });
  call.only_loads = messages.empty();
  call.input.messages = jinja::Value::list(std::move(messages));
}

}  // namespace

Api<OllamaCall> read_generate_call(std::string_view body) {
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  OllamaCall call;
  Fields fields(*json);
  read_ollama_fields(fields, call.fields);
  fields.boolean("raw", call.is_raw);
  if (call.is_raw) {
    check_raw(fields);
  }
  read_generate_input(fields, call);
  read_think(fields, call.input);
  fields.token_ids("context", call.context, kAnyVocabulary);
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

Api<OllamaCall> read_ollama_chat_call(std::string_view body) {
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  OllamaCall call;
  call.is_chat = true;
  Fields fields(*json);
  read_ollama_fields(fields, call.fields);
  read_chat_messages(fields, call);
  read_tools(fields, call.input);
  read_think(fields, call.input);
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

}  // namespace quern::server
