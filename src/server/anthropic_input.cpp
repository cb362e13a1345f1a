#include <fmt/format.h>

#include <utility>

#include "server/anthropic.h"
#include "server/chat_request.h"

namespace quern::server {
namespace {

void append_text(std::string& out, const std::string& text) {
  out += out.empty() || text.empty() ? text : "\n" + text;
}

// Collects the messages that a template takes; one of Anthropic's may become several.
class MessageList {
 public:
  explicit MessageList(Fields& fields) : fields_(fields) {}

  void add(const MessageParts& parts) {
    auto value = make_message(parts);
    if (!value) {
      fields_.fault("messages", value.error().what);
      return;
    }
    values_.push_back(std::move(*value));
    last_ = parts;
  }

  void give(ChatInput& input) {
    input.messages = jinja::Value::list(std::move(values_));
    input.last_role = last_.role;
    // What ends with an assistant's text is to be gone on with.
    input.continue_final = last_.role == "assistant" && last_.tool_calls.empty();
    input.add_generation_prompt = !input.continue_final;
  }

 private:
  Fields& fields_;
  std::vector<jinja::Value> values_;
  MessageParts last_;
};

// One block of a content, with what is known of the message around it.
class BlockReader {
 public:
  BlockReader(std::string role, MessageList& list) : list_(list) { parts_.role = std::move(role); }

  void read(Fields& block) {
    std::string type;
    block.require("type");
    block.text("type", type, kMaxNameChars);
    if (type == "text") {
      read_text(block);
    } else if (type == "tool_use" && is_assistant()) {
      read_tool_use(block);
    } else if (type == "thinking" && is_assistant()) {
      block.require("thinking");
      block.text("thinking", parts_.reasoning);
    } else if (type == "tool_result" && !is_assistant()) {
      read_tool_result(block);
    } else if (type != "redacted_thinking" || !is_assistant()) {
      // That one's text is sealed: nothing in it is for this model.
      refuse_type(block, type);
    }
  }

  // The message, or what is left of it after its tool results.
  void flush(bool is_end) {
    const bool has_any = !parts_.content.empty() || !parts_.tool_calls.empty();
    if (has_any || (is_end && !has_results_)) {
      list_.add(parts_);
      parts_ = {.role = parts_.role};
    }
  }

 private:
  bool is_assistant() const { return parts_.role == "assistant"; }

  void refuse_type(Fields& block, const std::string& type) const {
    if (!block.error()) {
      block.refuse_value(
          "type",
          fmt::format("content blocks of type '{}' are not supported in a message of role "
                      "{}; expected type {}",
                      type, parts_.role,
                      is_assistant() ? "text, thinking or tool_use" : "text or tool_result"));
    }
  }

  void read_text(Fields& block) {
    std::string text;
    block.require("text");
    block.text("text", text);
    append_text(parts_.content, text);
  }

  void read_tool_use(Fields& block) {
    ToolCallParts call;
    block.require("id");
    block.text("id", call.id, kMaxNameChars);
    block.require("name");
    block.text("name", call.name, kMaxNameChars);
    const Json* input = block.object("input");
    call.arguments = input == nullptr ? Json::object() : *input;
    parts_.tool_calls.push_back(std::move(call));
  }

  void read_tool_result(Fields& block) {
    flush(false);
    has_results_ = true;
    MessageParts result{.role = "tool"};
    block.require("tool_use_id");
    block.text("tool_use_id", result.tool_call_id, kMaxNameChars);
    read_content(block, "content", result.content);
    bool is_error = false;
    block.boolean("is_error", is_error);
    if (is_error) {  // templates have no other place for it
      result.content = "Error: " + result.content;
    }
    if (!block.error()) {
      list_.add(result);
    }
  }

  MessageList& list_;
  MessageParts parts_;
  bool has_results_ = false;
};

void read_one(Fields& message, MessageList& list) {
  std::string role;
  message.require("role");
  message.word("role", role, {"user", "assistant"});
  message.require("content");
  const Json* content = message.find("content");
  if (message.error() || content == nullptr) {
    return;
  }
  if (content->is_string()) {
    list.add({.role = role, .content = content->get<std::string>()});
    return;
  }
  if (!content->is_array()) {
    message.unexpected("content", *content, "a string, or a list of blocks");
    return;
  }
  BlockReader reader(role, list);
  message.each({.name = "content",
                .json = content,
                .expected = R"(a block like {"type":"text","text":"Hello"})"},
               [&reader](Fields& block) { reader.read(block); });
  if (!message.error()) {
    reader.flush(true);
  }
}

void read_tool(Fields& tool, ChatInput& out, std::vector<jinja::Value>& tools) {
  std::string type = "custom";
  tool.text("type", type, kMaxNameChars);
  if (type != "custom") {
    tool.refuse_value("type",
                      fmt::format("tools of type '{}' are not supported; expected tools of your "
                                  "own, of type custom",
                                  type));
  }
  std::string name;
  std::string description;
  tool.require("name");
  tool.text("name", name, kMaxNameChars);
  tool.text("description", description);
  tool.require("input_schema");
  const Json* schema = tool.object("input_schema");
  if (!tool.error() && name.empty()) {
    tool.fault("name", tool.full_name("name") + " is empty; expected the tool's name");
  }
  if (tool.error()) {
    return;
  }
  Json function = {{"name", name}};
  if (!description.empty()) {
    function["description"] = description;
  }
  function["parameters"] = *schema;
  auto value = make_tool(function);
  if (!value) {
    tool.fault("input_schema", value.error().what);
    return;
  }
  tools.push_back(std::move(*value));
  out.tool_names.push_back(std::move(name));
}

// Whether the tools are to be left out.
bool read_tool_choice(Fields& fields, MessagesCall& out) {
  const Json* choice = fields.object("tool_choice");
  if (choice == nullptr) {
    return false;
  }
  Fields members(*choice, fields.full_name("tool_choice") + ".");
  std::string type;
  members.require("type");
  members.word("type", type, {"auto", "any", "tool", "none"});
  if (type == "any" || type == "tool") {
    members.refuse_value("type",
                         fmt::format("tool_choice.type '{}' is not supported: a call cannot be "
                                     "forced without a grammar; expected auto or none",
                                     type));
  }
  members.boolean("disable_parallel_tool_use", out.one_tool_call);
  fields.adopt(members);
  return type == "none";
}

void read_anthropic_tools(Fields& fields, MessagesCall& out) {
  ChatInput& input = out.plan.input;
  std::vector<jinja::Value> tools;
  fields.each(
      {.name = "tools", .json = fields.array("tools", {0, kMaxTools}), .expected = "a tool"},
      [&](Fields& tool) { read_tool(tool, input, tools); });
  give_tools(std::move(tools), read_tool_choice(fields, out), input);
}

}  // namespace

void read_anthropic_input(Fields& fields, MessagesCall& out) {
  MessageList list(fields);
  MessageParts system{.role = "system"};
  read_content(fields, "system", system.content);
  if (!system.content.empty()) {
    list.add(system);
  }
  fields.require("messages");
  fields.each({.name = "messages",
               .json = fields.array("messages", {1, kMaxMessages}),
               .expected = R"(a message like {"role":"user","content":"Hello"})"},
              [&list](Fields& message) { read_one(message, list); });
  list.give(out.plan.input);
  read_anthropic_tools(fields, out);
}

}  // namespace quern::server
