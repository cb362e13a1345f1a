#include <fmt/format.h>

#include <utility>

#include "server/anthropic.h"
#include "server/chat_request.h"

namespace quern::server {
namespace {

constexpr size_t kMaxMessages = 65'536;
constexpr size_t kMaxTools = 1024;
constexpr size_t kMaxNameChars = 256;

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
      block.fault(
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

void read_blocks(Fields& message, const Json& content, BlockReader& reader) {
  for (size_t i = 0; i < content.size() && !message.error(); ++i) {
    const std::string name = fmt::format("content[{}]", i);
    if (!content[i].is_object()) {
      message.unexpected(name, content[i], R"(a block like {"type":"text","text":"Hello"})");
      return;
    }
    Fields block(content[i], message.full_name(name) + ".");
    reader.read(block);
    message.adopt(block);
  }
}

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
  read_blocks(message, *content, reader);
  if (!message.error()) {
    reader.flush(true);
  }
}

void read_list(Fields& fields, MessageList& list) {
  fields.require("messages");
  const Json* json = fields.array("messages", {1, kMaxMessages});
  for (size_t i = 0; json != nullptr && i < json->size() && !fields.error(); ++i) {
    const std::string name = fmt::format("messages[{}]", i);
    if (!(*json)[i].is_object()) {
      fields.unexpected(name, (*json)[i], R"(a message like {"role":"user","content":"Hello"})");
      return;
    }
    Fields members((*json)[i], fields.full_name(name) + ".");
    read_one(members, list);
    fields.adopt(members);
  }
}

void read_tool(Fields& tool, ChatInput& out, std::vector<jinja::Value>& tools) {
  std::string type = "custom";
  tool.text("type", type, kMaxNameChars);
  if (type != "custom") {
    tool.fault("type", fmt::format("tools of type '{}' are not supported; expected tools of your "
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
    members.fault("type", fmt::format("tool_choice.type '{}' is not supported: a call cannot be "
                                      "forced without a grammar; expected auto or none",
                                      type));
  }
  members.boolean("disable_parallel_tool_use", out.one_tool_call);
  fields.adopt(members);
  return type == "none";
}

void read_anthropic_tools(Fields& fields, MessagesCall& out) {
  const Json* json = fields.array("tools", {0, kMaxTools});
  ChatInput& input = out.plan.input;
  std::vector<jinja::Value> tools;
  for (size_t i = 0; json != nullptr && i < json->size() && !fields.error(); ++i) {
    const std::string name = fmt::format("tools[{}]", i);
    if (!(*json)[i].is_object()) {
      fields.unexpected(name, (*json)[i], "a tool");
      return;
    }
    Fields members((*json)[i], fields.full_name(name) + ".");
    read_tool(members, input, tools);
    fields.adopt(members);
  }
  if (read_tool_choice(fields, out)) {
    input.tool_names.clear();
  } else if (!tools.empty()) {
    input.tools = jinja::Value::list(std::move(tools));
  }
}

}  // namespace

void read_anthropic_input(Fields& fields, MessagesCall& out) {
  MessageList list(fields);
  MessageParts system{.role = "system"};
  read_content(fields, "system", system.content);
  if (!system.content.empty()) {
    list.add(system);
  }
  read_list(fields, list);
  list.give(out.plan.input);
  read_anthropic_tools(fields, out);
}

}  // namespace quern::server
