// chat_request: OpenAI's messages and tools as JSON, checked and turned into what chat templates
// take. Pure functions; routes of other dialects bring their own shapes into MessageParts and
// make_message() / make_tool(), or translate to OpenAI's JSON and read that.
//
//   ChatInput input;
//   Fields fields(body);
//   read_messages(fields, input);            // "messages"
//   read_tools(fields, input);               // "tools", "tool_choice", "parallel_tool_calls"
//   read_template_options(fields, input);    // chat_template_kwargs, continue_final_message, ...
//   if (fields.error()) ...                  // names the member: "messages[2].content"
#pragma once

#include <string>
#include <vector>

#include "server/chat_prompt.h"
#include "server/fields.h"

namespace quern::server {

// In one request.
inline constexpr size_t kMaxMessages = 65'536;
inline constexpr size_t kMaxTools = 1024;
inline constexpr size_t kMaxToolCalls = 1024;
inline constexpr size_t kMaxNameChars = 256;

struct ToolCallParts {
  std::string id;
  std::string name;
  Json arguments;  // a string that holds an object is given to the template as that object
};

struct MessageParts {
  std::string role;  // system, user, assistant, tool
  std::string content = {};
  std::string reasoning = {};  // of an assistant
  std::string name = {};
  std::string tool_call_id = {};
  std::vector<ToolCallParts> tool_calls = {};
};

// A dict; members that are empty are left out, `content` excepted. Errors: nested too deeply.
Result<jinja::Value> make_message(const MessageParts& parts);
// {"type":"function","function":{...}} from {"name", "description", "parameters", ...}; where the
// last two are absent, "" and an object without properties stand in.
Result<jinja::Value> make_tool(const Json& function);

// Text of a content that is a string or a list of parts: texts are joined with newlines; parts of
// other types are 400 by name.
void read_content(Fields& fields, std::string_view name, std::string& out);

// "none" or "auto", as OpenAI's dialects write it; a choice that forces a call is at fault, since
// it cannot be kept without a grammar.
std::string read_tool_choice(Fields& fields);
// What is left out of the prompt cannot be called either.
void give_tools(std::vector<jinja::Value> tools, bool is_left_out, ChatInput& out);

void read_messages(Fields& fields, ChatInput& out);
// With the choice "none" the tools are left out of the prompt.
void read_tools(Fields& fields, ChatInput& out);
void read_template_options(Fields& fields, ChatInput& out);

}  // namespace quern::server
