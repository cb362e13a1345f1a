// What OpenAI's chat and completion requests share, and how it becomes a GenerationSpec.
// Plain data and pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/model_manager.h"
#include "server/fields.h"
#include "server/generation.h"
#include "server/sampling_fields.h"

namespace quern::server {

inline constexpr int64_t kMaxChoices = 128;
inline constexpr int32_t kMaxTopLogprobs = 20;

struct OpenAiFields {
  std::string model;  // empty: the one that there is
  bool stream = false;
  bool include_usage = false;
  uint32_t n = 1;
  std::optional<uint32_t> max_tokens;
  std::vector<std::string> stop;
  SamplingFields sampling;
  ScheduleFields schedule;
  std::string cache_salt;
};

// model, stream, stream_options, n, max_tokens, stop, sampling, scheduling, cache_salt; and the
// members that are not supported, each 400 by name.
void read_openai_fields(Fields& fields, OpenAiFields& out);

// 400 where min_tokens is more than the answer may have. Once max_tokens is final.
void check_min_tokens(Fields& fields, const OpenAiFields& out);

// Without prompt and format.
Api<GenerationSpec> make_spec(const OpenAiFields& fields, const ModelLease& lease);

}  // namespace quern::server
