#include "server/chat_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "server/json_value.h"

namespace quern::server {
namespace {

jinja::Value text_value(std::string_view text) {
  return jinja::Value::string(std::string(text));
}

// Templates print or walk arguments as an object; clients send them as text. Hugging Face's chat
// templates are written for the object.
Json arguments_object(const Json& arguments) {
  if (!arguments.is_string()) {
    return arguments;
  }
  const Result<Json> parsed = parse_json(arguments.get_ref<const std::string&>());
  return parsed && parsed->is_object() ? *parsed : arguments;
}

Result<jinja::Value> make_tool_call(const ToolCallParts& parts) {
  QUERN_ASSIGN(jinja::Value arguments, to_value(arguments_object(parts.arguments)));
  jinja::Dict function;
  function.set("name", text_value(parts.name));
  function.set("arguments", std::move(arguments));
  jinja::Dict call;
  if (!parts.id.empty()) {
    call.set("id", text_value(parts.id));
  }
  call.set("type", text_value("function"));
  call.set("function", jinja::Value::dict(std::move(function)));
  return jinja::Value::dict(std::move(call));
}

// With what clients may leave out and templates count on, where they usually have it.
Json whole_function(const Json& function) {
  const auto is_absent = [&function](const char* name) {
    return !function.contains(name) || function[name].is_null();
  };
  Json whole = Json::object();
  for (const auto& [name, value] : function.items()) {
    whole[name] = value;
    if (name == "name" && is_absent("description")) {
      whole["description"] = "";
    }
  }
  for (const auto& [name, otherwise] :
       {std::pair("description", Json("")),
        {"parameters", Json({{"type", "object"}, {"properties", Json::object()}})}}) {
    if (is_absent(name)) {
      whole[name] = otherwise;
    }
  }
  return whole;
}

// One part of a content list.
void read_part(Fields& part, std::string& out) {
  part.require("type");
  std::string type;
  part.text("type", type);
  if (!part.error() && type != "text") {
    part.refuse_value("type", fmt::format("content parts of type '{}' are not supported; expected "
                                          "parts of type 'text'",
                                          type.size() > 64 ? "..." : type));
  }
  part.require("text");
  std::string text;
  part.text("text", text);
  out += out.empty() || text.empty() ? text : "\n" + text;
}

void read_function_call(Fields& call, ToolCallParts& out) {
  call.require("function");
  const Json* function = call.object("function");
  if (function == nullptr) {
    return;
  }
  Fields members(*function, call.full_name("function") + ".");
  members.require("name");
  members.text("name", out.name, kMaxNameChars);
  out.arguments = Json::object();
  if (const Json* arguments = members.find("arguments")) {
    if (arguments->is_string() || arguments->is_object()) {
      out.arguments = *arguments;
    } else {
      members.unexpected("arguments", *arguments, "JSON as a string");
    }
  }
  call.adopt(members);
}

void read_tool_call(Fields& call, MessageParts& out) {
  std::string type;
  call.word("type", type, {"function"});
  ToolCallParts parts;
  call.text("id", parts.id, kMaxNameChars);
  read_function_call(call, parts);
  out.tool_calls.push_back(std::move(parts));
}

void read_message(Fields& message, MessageParts& out) {
  message.require("role");
  message.word("role", out.role, {"system", "developer", "user", "assistant", "tool"});
  if (out.role == "developer") {
    out.role = "system";  // what templates know it as
  }
  message.unsupported("images", "only text is");
  const bool is_assistant = out.role == "assistant";
  if (!is_assistant && !message.error()) {
    message.require("content");
  }
  read_content(message, "content", out.content);
  message.text("name", out.name, kMaxNameChars);
  if (is_assistant) {
    message.unsupported("audio", "only text is");
    message.unsupported("function_call", "expected tool_calls");
    message.text("reasoning_content", out.reasoning);
    message.each({.name = "tool_calls",
                  .json = message.array("tool_calls", {0, kMaxToolCalls}),
                  .expected = "a tool call"},
                 [&out](Fields& call) { read_tool_call(call, out); });
  } else {
    message.text("tool_call_id", out.tool_call_id, kMaxNameChars);
  }
}

void read_tool(Fields& tool, ChatInput& out, std::vector<jinja::Value>& tools) {
  std::string type = "function";
  tool.require("type");
  tool.word("type", type, {"function"});
  tool.require("function");
  const Json* function = tool.object("function");
  if (function == nullptr || tool.error()) {
    return;
  }
  Fields members(*function, tool.full_name("function") + ".");
  std::string name;
  std::string description;
  bool strict = false;
  members.require("name");
  members.text("name", name, kMaxNameChars);
  members.text("description", description);
  members.object("parameters");
  members.boolean("strict", strict);
  if (!members.error() && name.empty()) {
    members.fault("name", members.full_name("name") + " is empty; expected the function's name");
  }
  tool.adopt(members);
  if (tool.error()) {
    return;
  }
  auto value = make_tool(*function);
  if (!value) {
    tool.fault("function", value.error().what);
    return;
  }
  tools.push_back(std::move(*value));
  out.tool_names.push_back(std::move(name));
}

}  // namespace

Result<jinja::Value> make_message(const MessageParts& parts) {
  jinja::Dict message;
  message.set("role", text_value(parts.role));
  message.set("content", text_value(parts.content));
  const std::array<std::pair<std::string_view, const std::string*>, 3> members = {
      {{"reasoning_content", &parts.reasoning},
       {"name", &parts.name},
       {"tool_call_id", &parts.tool_call_id}}};
  for (const auto& [name, text] : members) {
    if (!text->empty()) {
      message.set(name, text_value(*text));
    }
  }
  if (!parts.tool_calls.empty()) {
    std::vector<jinja::Value> calls;
    for (const ToolCallParts& call : parts.tool_calls) {
      QUERN_ASSIGN(jinja::Value value, make_tool_call(call));
      calls.push_back(std::move(value));
    }
    message.set("tool_calls", jinja::Value::list(std::move(calls)));
  }
  return jinja::Value::dict(std::move(message));
}

Result<jinja::Value> make_tool(const Json& function) {
  QUERN_ASSIGN(jinja::Value value, to_value(whole_function(function)));
  jinja::Dict tool;
  tool.set("type", text_value("function"));
  tool.set("function", std::move(value));
  return jinja::Value::dict(std::move(tool));
}

std::string read_tool_choice(Fields& fields) {
  constexpr std::string_view kNoGrammar =
      "a call cannot be forced without a grammar; expected \"auto\" or \"none\"";
  std::string choice = "auto";
  const Json* json = fields.find("tool_choice");
  if (json == nullptr) {
    return choice;
  }
  if (json->is_object() || *json == "required") {
    fields.refuse_value("tool_choice",
                        fmt::format("tool_choice is not supported so: {}", kNoGrammar));
    return choice;
  }
  fields.word("tool_choice", choice, {"none", "auto"});
  return choice;
}

void give_tools(std::vector<jinja::Value> tools, bool is_left_out, ChatInput& out) {
  if (is_left_out) {
    out.tool_names.clear();
  } else if (!tools.empty()) {
    out.tools = jinja::Value::list(std::move(tools));
  }
}

void read_content(Fields& fields, std::string_view name, std::string& out) {
  const Json* content = fields.find(name);
  if (content == nullptr) {
    return;
  }
  if (content->is_string()) {
    out = content->get<std::string>();
    return;
  }
  if (!content->is_array()) {
    fields.unexpected(name, *content, "a string, or a list of parts");
    return;
  }
  fields.each(
      {.name = name, .json = content, .expected = R"(a part like {"type":"text","text":"Hello"})"},
      [&out](Fields& part) { read_part(part, out); });
}

void read_messages(Fields& fields, ChatInput& out) {
  fields.require("messages");
  std::vector<jinja::Value> messages;
  fields.each({.name = "messages",
               .json = fields.array("messages", {1, kMaxMessages}),
               .expected = R"(a message like {"role":"user","content":"Hello"})"},
              [&](Fields& message) {
                MessageParts parts;
                read_message(message, parts);
                auto value = make_message(parts);
                if (!value) {
                  message.fault_itself(value.error().what);
                  return;
                }
                messages.push_back(std::move(*value));
                out.last_role = parts.role;
              });
  out.messages = jinja::Value::list(std::move(messages));
}

void read_tools(Fields& fields, ChatInput& out) {
  std::vector<jinja::Value> tools;
  fields.each(
      {.name = "tools", .json = fields.array("tools", {0, kMaxTools}), .expected = "a tool"},
      [&](Fields& tool) { read_tool(tool, out, tools); });
  give_tools(std::move(tools), read_tool_choice(fields) == "none", out);
}

void read_template_options(Fields& fields, ChatInput& out) {
  constexpr std::array<std::string_view, 5> kReserved = {
      "messages", "tools", "add_generation_prompt", "bos_token", "eos_token"};
  fields.boolean("add_generation_prompt", out.add_generation_prompt);
  fields.boolean("continue_final_message", out.continue_final);
  if (out.continue_final) {
    out.add_generation_prompt = false;
    if (out.last_role != "assistant") {
      fields.fault("continue_final_message",
                   "continue_final_message needs a last message of role assistant; expected one");
    }
  }
  std::string effort;
  fields.word("reasoning_effort", effort, {"none", "minimal", "low", "medium", "high", "xhigh"});
  if (!effort.empty()) {
    ask_effort(out, "reasoning_effort", effort);
  }
  const Json* variables = fields.object("chat_template_kwargs");
  if (variables == nullptr) {
    return;
  }
  for (const auto& [name, json] : variables->items()) {
    if (std::ranges::find(kReserved, name) != kReserved.end()) {
      fields.fault(
          "chat_template_kwargs." + name,
          fmt::format("chat_template_kwargs.{} is set by the server; expected other names", name));
      return;
    }
    auto value = to_value(json);
    if (!value) {
      fields.fault("chat_template_kwargs", value.error().what);
      return;
    }
    out.variables.emplace_back(name, std::move(*value));
  }
}

}  // namespace quern::server
