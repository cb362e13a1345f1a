// Chat requests: OpenAI's messages and tools as templates get them. Sources: OpenAI's API reference
// ("Create chat completion"); for templates, transformers' "Chat templates" (arguments are a dict).
#include "server/chat_request.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "server/anthropic.h"
#include "server/ollama_call.h"
#include "server/openai_chat.h"
#include "server/responses.h"

namespace quern::server {
namespace {

std::string render(const std::string& source, const std::string& body) {
  const auto chat = ChatTemplate::parse(source);
  EXPECT_TRUE(chat.has_value());
  auto call = read_chat_call(body);
  if (!call) {
    return call.error().param + ": " + call.error().message;
  }
  const auto text = render_chat(*chat, call->input, {.bos_token = "<s>", .eos_token = "</s>"});
  return text ? *text : text.error().to_string();
}

std::string fault_of(const std::string& body) {
  const auto call = read_chat_call(body);
  return call ? "none" : call.error().param;
}

std::string with(const std::string& members) {
  return R"({"messages":[{"role":"user","content":"Hi"}],)" + members + "}";
}

constexpr const char* kPlain =
    "{% for m in messages %}[{{ m.role }}|{{ m.content }}]{% endfor %}"
    "{% if add_generation_prompt %}[assistant|{% endif %}";

TEST(ChatMessages, TextPartsAreJoined) {
  EXPECT_EQ(render(kPlain, R"({"messages":[{"role":"system","content":"Be brief"},
      {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]})"),
            "[system|Be brief][user|a\nb][assistant|");
}

TEST(ChatMessages, DeveloperIsWhatTemplatesCallSystem) {
  EXPECT_EQ(render(kPlain, R"({"messages":[{"role":"developer","content":"x"}]})"),
            "[system|x][assistant|");
}

TEST(ChatMessages, ArgumentsBecomeAnObjectWhereTheyAreOne) {
  const std::string source =
      "{% for c in messages[1].tool_calls %}{{ c.id }} {{ c.function.name }} "
      "{{ c.function.arguments | tojson }} {% if c.function.arguments is mapping %}"
      "{{ c.function.arguments.city }}{% endif %};{% endfor %}{{ messages[2].tool_call_id }} "
      "{{ messages[2].content }} {{ 'tool_calls' in messages[0] }}";
  const auto body = [](const std::string& arguments) {
    return R"({"messages":[{"role":"user","content":"Weather?"},
      {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function",
       "function":{"name":"weather","arguments":)" +
           arguments + R"(}}]},
      {"role":"tool","tool_call_id":"call_1","content":"9 C"}]})";
  };
  EXPECT_EQ(render(source, body(R"("{\"city\": \"Oslo\"}")")),
            R"(call_1 weather {"city": "Oslo"} Oslo;call_1 9 C False)");
  EXPECT_EQ(render(source, body(R"({"city":"Oslo"})")),
            R"(call_1 weather {"city": "Oslo"} Oslo;call_1 9 C False)");
  EXPECT_EQ(render(source, body(R"("{broken")")), R"(call_1 weather "{broken" ;call_1 9 C False)");
}

TEST(ChatMessages, ToolsReachTheTemplateInTheirOrder) {
  const std::string source = "{% if tools %}{{ tools | tojson }}{% else %}none{% endif %}";
  const std::string tools =
      R"("tools":[{"type":"function","function":{"name":"f","description":"d",)"
      R"("parameters":{"type":"object","properties":{"b":{},"a":{}}}}}])";
  EXPECT_EQ(render(source, with(tools)),
            R"([{"type": "function", "function": {"name": "f", "description": "d", )"
            R"("parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}}])");
  EXPECT_EQ(render(source, with(tools + R"(,"tool_choice":"none")")), "none");
  EXPECT_EQ(render(source, with(R"("tools":[])")), "none");
}

// Both are optional to OpenAI; templates such as Hermes' fail without them.
TEST(ChatMessages, ToolsReachTheTemplateWhole) {
  const std::string source = "{{ tools | tojson }}";
  const std::string whole = R"([{"type": "function", "function": {"name": "f", "description": "", )"
                            R"("parameters": {"type": "object", "properties": {}}}}])";
  for (const char* rest : {"", R"(,"parameters":null)", R"(,"description":null)",
                           R"(,"parameters":{"type":"object","properties":{}})"}) {
    EXPECT_EQ(render(source, with(R"("tools":[{"type":"function","function":{"name":"f")" +
                                  std::string(rest) + "}}]")),
              whole);
  }
}

TEST(ChatMessages, ToolsThatATemplateLeavesOutAreNoticed) {
  const auto leaves_out = [](const std::string& source) {
    const std::string body = with(R"("tools":[{"type":"function","function":{"name":"f"}}])");
    const Json json = parse_json(body).value();
    ChatInput input;
    Fields fields(json);
    read_messages(fields, input);
    read_tools(fields, input);
    const auto chat_template = ChatTemplate::parse(source).value();
    const RenderTexts texts{};
    const std::string prompt = render_chat(chat_template, input, texts).value();
    return leaves_tools_out(chat_template, input, {.texts = texts, .prompt = prompt});
  };
  EXPECT_TRUE(leaves_out("{{ messages[0].content }}"));
  EXPECT_TRUE(leaves_out("{# tools #}{{ messages[0].content }}"));
  EXPECT_TRUE(leaves_out("{% if tools and messages | length > 9 %}{{ tools }}{% endif %}"));
  EXPECT_FALSE(leaves_out("{% if tools %}{{ tools | tojson }}{% endif %}"));
}

// One rule in each dialect's words: a wish is remembered by its name, "none" and off wish nothing.
TEST(Reasoning, IsAskedForInOneWay) {
  const auto asked = [](ChatInput input) {
    jinja::Dict last;
    for (const auto& [name, value] : input.variables) {
      last.set(name, value);
    }
    const jinja::Value* is_on = last.find("enable_thinking");
    const jinja::Value* effort = last.find("reasoning_effort");
    return fmt::format("{} {} {}", input.reasoning_field,
                       is_on == nullptr        ? "-"
                       : jinja::truthy(*is_on) ? "on"
                                               : "off",
                       effort == nullptr ? "-" : effort->text());
  };
  const auto openai = [&](const std::string& field) {
    return asked(read_chat_call(with(field)).value().input);
  };
  EXPECT_EQ(openai(R"("reasoning_effort":"low")"), "reasoning_effort on low");
  EXPECT_EQ(openai(R"("reasoning_effort":"none")"), " off none");
  EXPECT_EQ(openai(R"("stream":true)"), " - -");
  const auto responses = [&](const std::string& effort) {
    const Json body =
        parse_json(R"({"input":"Hi","reasoning":{"effort":")" + effort + R"("}})").value();
    return asked(read_responses_call(body, Json::array()).value().plan.input);
  };
  EXPECT_EQ(responses("low"), "reasoning.effort on low");
  EXPECT_EQ(responses("none"), " off none");
  const auto ollama = [&](const std::string& think) {
    return asked(
        read_ollama_chat_call(
            R"({"model":"m","messages":[{"role":"user","content":"Hi"}],"think":)" + think + "}")
            .value()
            .input);
  };
  EXPECT_EQ(ollama("\"low\""), "think on low");
  EXPECT_EQ(ollama("true"), "think on -");
  EXPECT_EQ(ollama("false"), " off -");
  const auto anthropic = [&](const std::string& fields) {
    return asked(
        read_messages_call(
            R"({"max_tokens":8,"messages":[{"role":"user","content":"Hi"}],)" + fields + "}",
            MessagesUse::answer)
            .value()
            .plan.input);
  };
  EXPECT_EQ(anthropic(R"("output_config":{"effort":"low"})"), "output_config.effort on low");
  EXPECT_EQ(anthropic(R"("thinking":{"type":"enabled","budget_tokens":1024})"), "thinking on -");
  EXPECT_EQ(anthropic(R"("thinking":{"type":"disabled"},"output_config":{"effort":"low"})"),
            " off low");
}

TEST(ChatMessages, AFinalMessageIsContinuedWhereItEnds) {
  const auto body = [](const std::string& content) {
    return R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":")" +
           content + R"("}],"continue_final_message":true})";
  };
  EXPECT_EQ(render(kPlain, body("Once upon")), "[user|Hi][assistant|Once upon");
  EXPECT_EQ(render(kPlain, body("")), "[user|Hi][assistant|");
  const std::string trimming = "{% for m in messages %}<{{ m.content | trim }}>{% endfor %}";
  EXPECT_EQ(render(trimming, body("a ")), "<Hi><a ");
  EXPECT_EQ(fault_of(with(R"("continue_final_message":true)")), "continue_final_message");
}

TEST(ChatMessages, TemplateVariablesPassThrough) {
  const std::string source = "{{ enable_thinking }} {{ reasoning_effort }} {{ bos_token }}";
  EXPECT_EQ(render(source, with(R"("chat_template_kwargs":{"enable_thinking":false})")),
            "False  <s>");
  EXPECT_EQ(render(source, with(R"("reasoning_effort":"low")")), "True low <s>");
  EXPECT_EQ(fault_of(with(R"("chat_template_kwargs":{"messages":[]})")),
            "chat_template_kwargs.messages");
}

TEST(ChatRequest, NamesWhatIsAtFault) {
  EXPECT_EQ(fault_of("{}"), "messages");
  EXPECT_EQ(fault_of(R"({"messages":[]})"), "messages");
  EXPECT_EQ(fault_of(R"({"messages":["Hi"]})"), "messages[0]");
  EXPECT_EQ(fault_of(R"({"messages":[{"content":"Hi"}]})"), "messages[0].role");
  EXPECT_EQ(fault_of(R"({"messages":[{"role":"robot","content":"Hi"}]})"), "messages[0].role");
  EXPECT_EQ(fault_of(R"({"messages":[{"role":"user"}]})"), "messages[0].content");
  EXPECT_EQ(fault_of(R"({"messages":[{"role":"user","content":7}]})"), "messages[0].content");
  EXPECT_EQ(fault_of(with(R"("n":0)")), "n");
  EXPECT_EQ(fault_of(with(R"("max_tokens":0)")), "max_tokens");
  EXPECT_EQ(fault_of(with(R"("top_logprobs":3)")), "top_logprobs");
  EXPECT_EQ(fault_of(with(R"("stream":"yes")")), "stream");
  EXPECT_EQ(fault_of(with(R"("stream_options":{"include_usage":1})")),
            "stream_options.include_usage");
  EXPECT_EQ(fault_of(with(R"("tools":[{"type":"function","function":{}}])")),
            "tools[0].function.name");
}

TEST(ChatRequest, RefusesByNameWhatCannotBeDone) {
  for (const char* type : {"image_url", "input_audio", "file"}) {
    EXPECT_EQ(fault_of(std::string(R"({"messages":[{"role":"user","content":[{"type":")") + type +
                       R"("}]}]})"),
              "messages[0].content[0].type");
  }
  EXPECT_EQ(fault_of(with(R"("response_format":{"type":"json_object"})")), "response_format.type");
  EXPECT_EQ(fault_of(with(R"("response_format":{"type":"text"})")), "none");
  EXPECT_EQ(fault_of(with(R"("modalities":["text","audio"])")), "modalities");
  EXPECT_EQ(fault_of(with(R"("tool_choice":"required")")), "tool_choice");
  EXPECT_EQ(fault_of(with(R"("tool_choice":{"type":"function","function":{"name":"f"}})")),
            "tool_choice");
  for (const char* name : {"grammar", "guided_json", "functions", "function_call", "prediction",
                           "web_search_options", "audio"}) {
    EXPECT_EQ(fault_of(with(std::string("\"") + name + R"(":{"a":1})")), name);
    EXPECT_EQ(fault_of(with(std::string("\"") + name + R"(":null)")), "none");
  }
  EXPECT_EQ(fault_of(with(R"("web_search_options":{})")), "web_search_options");
  EXPECT_EQ(read_chat_call(with(R"("web_search_options":{})")).error().code, "unsupported");
  EXPECT_EQ(fault_of(with(R"("function_call":"none")")), "none");
  EXPECT_EQ(fault_of(with(R"("function_call":"auto")")), "function_call");
  EXPECT_EQ(fault_of(with(R"("":1)")), "none");
  EXPECT_EQ(fault_of(with(R"("min_tokens":9,"max_completion_tokens":8)")), "min_tokens");
  EXPECT_EQ(read_chat_call(with(R"("tool_choice":"required")")).error().code, "unsupported");
  EXPECT_EQ(fault_of(with(R"("something_unknown":{"a":1})")), "none");
}

TEST(ChatRequest, ReadsWhatTheRoutesTake) {
  const auto call = read_chat_call(with(
      R"("model":"m","stream":true,"stream_options":{"include_usage":true},"n":3,"logprobs":true,
       "top_logprobs":2,"max_completion_tokens":9,"parallel_tool_calls":false,"cache_salt":"s",
       "stop_token_ids":[4],"priority":"high")"));
  ASSERT_TRUE(call.has_value());
  EXPECT_EQ(call->fields.model, "m");
  EXPECT_TRUE(call->fields.stream && call->fields.include_usage && call->logprobs);
  EXPECT_TRUE(call->one_tool_call);
  EXPECT_EQ(call->fields.n, 3U);
  EXPECT_EQ(call->fields.max_tokens, 9U);
  EXPECT_EQ(call->fields.sampling.n_logprobs, 2);
  EXPECT_EQ(call->fields.sampling.stop_tokens, std::vector<TokenId>{TokenId{4}});
  EXPECT_EQ(call->fields.cache_salt, "s");
  EXPECT_EQ(call->fields.schedule.priority, -10);
}

}  // namespace
}  // namespace quern::server
