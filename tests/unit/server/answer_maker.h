// A tokenizer of a few words, and events as a generation gives them, for tests of answers' shapes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/openai_answer.h"
#include "unit/text/vocab_maker.h"

namespace quern::server::test {

using Kind = AnswerDelta::Kind;

class AnswerTest : public testing::Test {
 protected:
  AnswerTest() {
    quern::test::VocabMaker maker(TokenizerKind::spm);
    maker.add_llama_start();
    maker.add("hello");
    maker.add("world");
    maker.spec().special.eos = TokenId{2};
    tokenizer_ = maker.make();
  }

  TokenTexts texts() const { return {.tokenizer = *tokenizer_, .stop_tokens = no_stops_}; }

  static constexpr TokenId kHello{259};
  static constexpr TokenId kWorld{260};
  static constexpr TokenId kEnd{2};

  static TokenInfo token(TokenId id, std::string bytes) {
    return {.token = id, .bytes = std::move(bytes), .logprob = -0.5F, .top = {{kWorld, -0.25F}}};
  }

  // One token that shows `text`.
  static GenerationEvent said(std::string text, Kind kind = Kind::content) {
    GenerationEvent event;
    event.token = token(kHello, text);
    event.deltas.push_back({.kind = kind, .text = std::move(text)});
    return event;
  }

  // The event that ends an answer of 2 tokens to a prompt of 7, of which 4 were cached. It waited
  // 1 ms in the queue; the first token came 2 ms later, the end 4 ms after that.
  static GenerationEvent ended(FinishReason reason) {
    GenerationEvent event;
    event.token = token(reason == FinishReason::stop ? kEnd : kWorld, "");
    event.finish = reason;
    event.usage = {.prompt_tokens = 7,
                   .cached_tokens = 4,
                   .completion_tokens = 2,
                   .arrival_us = 1'000,
                   .started_us = 2'000,
                   .first_token_us = 4'000,
                   .finished_us = 8'000};
    return event;
  }

  static GenerationEvent called(std::string name, std::vector<std::string> arguments) {
    GenerationEvent event;
    event.deltas.push_back({.kind = Kind::tool_call_begin, .text = std::move(name)});
    for (std::string& piece : arguments) {
      event.deltas.push_back({.kind = Kind::tool_call_arguments, .text = std::move(piece)});
    }
    event.deltas.push_back({.kind = Kind::tool_call_end, .text = {}});
    return event;
  }

 private:
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::vector<TokenId> no_stops_;
};

// The named server-sent events of a stream; each one's name is its type too.
inline std::vector<Json> named_events(const std::string& stream) {
  std::vector<Json> events;
  size_t at = 0;
  while (at < stream.size()) {
    const size_t end = stream.find("\n\n", at);
    const size_t data = stream.find("\ndata: ", at);
    EXPECT_NE(end, std::string::npos);
    EXPECT_LT(data, end);
    events.push_back(Json::parse(stream.substr(data + 7, end - data - 7)));
    EXPECT_EQ(stream.substr(at, data - at), "event: " + events.back()["type"].get<std::string>());
    at = end + 2;
  }
  return events;
}

inline std::vector<std::string> types_of(const std::vector<Json>& events) {
  std::vector<std::string> types;
  for (const Json& event : events) {
    types.push_back(event["type"]);
  }
  return types;
}

}  // namespace quern::server::test
