// POST /api/generate and /api/chat: reading the requests. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/ollama_fields.h"

namespace quern::server {

struct OllamaCall {
  OllamaFields fields;
  bool is_chat = false;
  bool only_loads = false;  // nothing to answer: the model is loaded, or goes with keep_alive 0
  ChatInput input;          // the conversation; of generate, made of system and prompt
  // Of generate.
  bool is_raw = false;           // `text` is the prompt as it stands
  std::string text;              // also the prompt where the model has no chat template
  std::vector<TokenId> context;  // what an earlier answer returned; comes before the prompt
};

Api<OllamaCall> read_generate_call(std::string_view body);
Api<OllamaCall> read_ollama_chat_call(std::string_view body);

}  // namespace quern::server
