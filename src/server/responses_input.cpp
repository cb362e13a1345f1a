#include <fmt/format.h>

#include <utility>

#include "server/chat_request.h"
#include "server/responses.h"

namespace quern::server {
namespace {

constexpr size_t kMaxItems = 65'536;

// Turns items into messages: what an assistant thought, said and called is one message.
class ItemReader {
 public:
  void read(Fields& item) {
    std::string type = "message";
    item.text("type", type, kMaxNameChars);
    if (type == "message") {
      read_message(item);
    } else if (type == "reasoning") {
      read_reasoning(item);
    } else if (type == "function_call") {
      read_call(item);
    } else if (type == "function_call_output") {
      read_output(item);
    } else {
      item.refuse_value("type",
                        fmt::format("items of type '{}' are not supported; expected message, "
                                    "reasoning, function_call or function_call_output",
                                    type));
    }
  }

  void add(Fields& fields, const MessageParts& parts) {
    auto value = make_message(parts);
    if (!value) {
      fields.fault("input", value.error().what);
      return;
    }
    values_.push_back(std::move(*value));
    last_role_ = parts.role;
  }

  void give(Fields& fields, ChatInput& input) {
    flush(fields);
    input.messages = jinja::Value::list(std::move(values_));
    input.last_role = last_role_;
  }

 private:
  bool has_assistant() const {
    return !assistant_.content.empty() || !assistant_.reasoning.empty() ||
           !assistant_.tool_calls.empty();
  }

  void flush(Fields& fields) {
    if (has_assistant()) {
      add(fields, assistant_);
      assistant_ = {.role = "assistant"};
    }
  }

  void read_message(Fields& item) {
    MessageParts parts;
    item.require("role");
    item.word("role", parts.role, {"user", "assistant", "system", "developer"});
    item.require("content");
    read_parts(item, "content", parts.content);
    if (item.error()) {
      return;
    }
    if (parts.role != "assistant") {
      flush(item);
      parts.role = parts.role == "developer" ? "system" : parts.role;
      add(item, parts);
      return;
    }
    if (!assistant_.content.empty() || !assistant_.tool_calls.empty()) {
      flush(item);
    }
    assistant_.content = std::move(parts.content);
  }

  // What the model thought; a summary alone is not what it saw.
  void read_reasoning(Fields& item) {
    if (has_assistant()) {
      flush(item);
    }
    read_parts(item, "content", assistant_.reasoning);
  }

  void read_call(Fields& item) {
    ToolCallParts call;
    item.require("call_id");
    item.text("call_id", call.id, kMaxNameChars);
    item.require("name");
    item.text("name", call.name, kMaxNameChars);
    item.require("arguments");
    std::string arguments;
    item.text("arguments", arguments);
    call.arguments = std::move(arguments);
    assistant_.tool_calls.push_back(std::move(call));
  }

  void read_output(Fields& item) {
    flush(item);
    MessageParts parts{.role = "tool"};
    item.require("call_id");
    item.text("call_id", parts.tool_call_id, kMaxNameChars);
    item.require("output");
    read_parts(item, "output", parts.content);
    if (!item.error()) {
      add(item, parts);
    }
  }

  // A string, or a list of parts that hold text.
  static void read_parts(Fields& item, std::string_view name, std::string& out) {
    const Json* content = item.find(name);
    if (content == nullptr || content->is_string()) {
      item.text(name, out);
      return;
    }
    item.each({.name = name,
               .json = item.array(name, {0, kMaxItems}),
               .expected = R"(a part like {"type":"input_text","text":"Hi"})"},
              [&out](Fields& part) { read_part(part, out); });
  }

  static void read_part(Fields& part, std::string& out) {
    std::string type;
    part.require("type");
    part.text("type", type, kMaxNameChars);
    const bool is_text =
        type == "input_text" || type == "output_text" || type == "text" || type == "reasoning_text";
    const bool is_refusal = type == "refusal";
    if (!part.error() && !is_text && !is_refusal) {
      part.refuse_value("type",
                        fmt::format("content parts of type '{}' are not supported; expected "
                                    "input_text or output_text",
                                    type));
    }
    std::string text;
    part.require(is_refusal ? "refusal" : "text");
    part.text(is_refusal ? "refusal" : "text", text);
    out += out.empty() || text.empty() ? text : "\n" + text;
  }

  std::vector<jinja::Value> values_;
  std::string last_role_;
  MessageParts assistant_{.role = "assistant"};  // being put together
};

void read_items(Fields& fields, const Json& items, ItemReader& reader) {
  fields.each({.name = "input",
               .json = &items,
               .expected = R"(an item like {"role":"user","content":"Hello"})"},
              [&reader](Fields& item) { reader.read(item); });
}

// The items that "input" is or stands for.
Json input_items(Fields& fields) {
  fields.require("input");
  const Json* input = fields.find("input");
  if (input == nullptr) {
    return Json::array();
  }
  if (input->is_string()) {
    return Json::array({{{"type", "message"}, {"role", "user"}, {"content", *input}}});
  }
  if (!input->is_array()) {
    fields.unexpected("input", *input, "a string, or a list of items");
    return Json::array();
  }
  const Json* items = fields.array("input", {1, kMaxItems});
  return items == nullptr ? Json::array() : *items;
}

// {"type":"function", ...} as the answer repeats it.
void read_tool(Fields& tool, ResponsesCall& out, std::vector<jinja::Value>& tools) {
  std::string type;
  tool.require("type");
  tool.text("type", type, kMaxNameChars);
  if (!tool.error() && type != "function") {
    tool.refuse_value(
        "type", fmt::format("tools of type '{}' are not supported; expected type function", type));
  }
  std::string name;
  std::string description;
  std::optional<bool> strict;
  tool.require("name");
  tool.text("name", name, kMaxNameChars);
  tool.text("description", description);
  tool.boolean("strict", strict);
  const Json* parameters = tool.object("parameters");
  if (!tool.error() && name.empty()) {
    tool.fault("name", tool.full_name("name") + " is empty; expected the function's name");
  }
  if (tool.error()) {
    return;
  }
  Json function = {{"name", name}, {"description", description}};
  if (parameters != nullptr) {
    function["parameters"] = *parameters;
  }
  auto value = make_tool(function);
  if (!value) {
    tool.fault("parameters", value.error().what);
    return;
  }
  tools.push_back(std::move(*value));
  out.plan.input.tool_names.push_back(name);
  out.echo["tools"].push_back({{"type", "function"},
                               {"name", name},
                               {"description", description},
                               {"parameters", parameters == nullptr ? Json() : *parameters},
                               {"strict", strict ? Json(*strict) : Json()}});
}

}  // namespace

void read_response_input(Fields& fields, const Json& earlier, ResponsesCall& out) {
  ItemReader reader;
  std::string instructions;
  fields.text("instructions", instructions);
  out.echo["instructions"] = instructions.empty() ? Json() : Json(instructions);
  if (!instructions.empty()) {
    reader.add(fields, {.role = "system", .content = instructions});
  }
  read_items(fields, earlier, reader);
  const Json items = input_items(fields);
  read_items(fields, items, reader);
  reader.give(fields, out.plan.input);
  out.items = earlier;
  out.items.insert(out.items.end(), items.begin(), items.end());
}

void read_response_tools(Fields& fields, ResponsesCall& out) {
  out.echo["tools"] = Json::array();
  std::vector<jinja::Value> tools;
  fields.each(
      {.name = "tools", .json = fields.array("tools", {0, kMaxTools}), .expected = "a tool"},
      [&](Fields& tool) { read_tool(tool, out, tools); });
  const std::string choice = read_tool_choice(fields);
  give_tools(std::move(tools), choice == "none", out.plan.input);
  bool parallel = true;
  fields.boolean("parallel_tool_calls", parallel);
  out.one_tool_call = !parallel;
  out.echo["tool_choice"] = choice;
  out.echo["parallel_tool_calls"] = parallel;
}

}  // namespace quern::server
