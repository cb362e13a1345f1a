// POST /v1/messages and /v1/messages/count_tokens: reading the requests, writing the answers.
// The functions are pure; a MessageStream belongs to one answer and is used on its strand.
// Source of the shapes: Anthropic's API reference, "Messages", "Count message tokens" and
// "Streaming messages".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer_collector.h"
#include "server/chat_start.h"
#include "server/stop_finder.h"

namespace quern::server {

struct MessagesCall {
  ChatPlan plan;
  bool one_tool_call = false;  // tool_choice.disable_parallel_tool_use
};

enum class MessagesUse : uint8_t { answer, count };  // counting needs no max_tokens

Api<MessagesCall> read_messages_call(std::string_view body, MessagesUse use);
// "system", "messages", "tools" and "tool_choice".
void read_anthropic_input(Fields& fields, MessagesCall& out);

struct MessageOptions {
  std::string id;
  std::string model;
  uint64_t seed = 0;
  uint32_t n_prompt_tokens = 0;
  bool one_tool_call = false;
};

// end_turn, max_tokens, stop_sequence, tool_use; cancelled and timeout beside them.
std::string_view stop_reason(FinishReason reason, bool has_tool_calls, bool has_stop_sequence);
// Prompt tokens from the prefix cache count beside input_tokens, not in it.
Json anthropic_usage(const RequestUsage& usage);

Json message_answer(const MessageOptions& options, const ChoiceAnswer& choice,
                    const std::optional<std::string>& stop_sequence);

// Turns a generation's events into named server-sent events.
class MessageStream {
 public:
  MessageStream(MessageOptions options, StopFinder stops);
  std::string add(const GenerationEvent& event);
  std::string end() const;

 private:
  enum class Block : uint8_t { none, text, thinking, tool_use };

  std::string begin() const;
  std::string add_delta(const AnswerDelta& delta);
  std::string add_tool_delta(const AnswerDelta& delta);
  std::string open(Block block, Json content);
  std::string close();
  std::string block_delta(Json delta) const;
  std::string finish(FinishReason reason, const RequestUsage& usage);

  MessageOptions options_;
  StopFinder stops_;
  bool has_begun_ = false;
  bool has_tool_calls_ = false;
  Block block_ = Block::none;
  uint32_t n_blocks_ = 0;
};

Task messages(Exchange& exchange, ServerContext& context);
Task count_message_tokens(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
