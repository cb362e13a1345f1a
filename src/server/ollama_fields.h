// What Ollama's generate and chat requests share, and how it becomes a GenerationSpec.
// Plain data and pure functions. Source: Ollama's docs/api.md and docs/modelfile.md ("PARAMETER").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/chat_prompt.h"
#include "server/fields.h"
#include "server/generation.h"
#include "server/sampling_fields.h"

namespace quern::server {

struct OllamaFields {
  std::string model;  // empty: the one that there is
  bool stream = true;
  bool logprobs = false;
  uint32_t max_tokens = 0;               // 0: as the context allows
  std::optional<uint32_t> n_context;     // options.num_ctx
  std::optional<int64_t> keep_alive_ms;  // kKeepForever for negative ones
  std::vector<std::string> stop;
  SamplingFields sampling;
  ScheduleFields schedule;
  std::string cache_salt;
};

// All of them but `think`; format, images and what else is not supported is 400 by name. Options
// that only tune how Ollama runs a model (num_keep, num_batch, num_gpu, main_gpu, num_thread, numa,
// low_vram, f16_kv, use_mmap, use_mlock, vocab_only, logits_all, embedding_only,
// penalize_newline) change no answer here and are passed over, as are unknown ones.
void read_ollama_fields(Fields& fields, OllamaFields& out);

// "model", or "name" as older clients say.
void read_ollama_model(Fields& fields, std::string& out);
// A number of seconds, or a duration like "5m".
void read_keep_alive(Fields& fields, std::optional<int64_t>& out_ms);
// false, true, or how much: "low", "medium", "high".
void read_think(Fields& fields, ChatInput& input);

// Without prompt and format. 400 when num_ctx is above the context that is served: the model is not
// loaded again for one request.
Api<GenerationSpec> make_ollama_spec(const OllamaFields& fields, const ModelLease& lease);

// `model 'x' not found`, in Ollama's words.
ApiError ollama_error(ApiError error, const std::string& model);

}  // namespace quern::server
