#include "server/ollama_embed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/system_info.h"
#include "server/embedding_batch.h"
#include "server/ollama_fields.h"
#include "server/reply.h"
#include "server/request_deadlines.h"
#include "server/request_work.h"

namespace quern::server {
namespace {

constexpr size_t kMaxInputs = 4096;
constexpr int64_t kNanosPerMicro = 1000;

void read_common(Fields& fields, OllamaEmbedCall& call) {
  read_ollama_model(fields, call.model);
  read_keep_alive(fields, call.keep_alive_ms);
  read_schedule(fields, call.wanted.schedule);
  fields.object("options");  // none of them changes a vector
}

// A string or a list of them. An empty string asks for no vector, only for the model to be loaded.
void read_inputs(Fields& fields, std::vector<PromptInput>& out) {
  fields.require("input");
  const Json* input = fields.find("input");
  if (input == nullptr) {
    return;
  }
  const Json list = input->is_array() ? *input : Json::array({*input});
  const bool is_fine = list.size() <= kMaxInputs &&
                       std::ranges::all_of(list, [](const Json& item) { return item.is_string(); });
  if (!is_fine) {
    fields.unexpected("input", *input, fmt::format("a string, or at most {} of them", kMaxInputs));
    return;
  }
  if (*input == "") {
    return;
  }
  for (const Json& item : list) {
    out.emplace_back(item.get<std::string>());
  }
}

struct Embedded {
  std::string model;
  Embeddings embeddings;
  int64_t load_us = 0;
};

boost::asio::awaitable<Api<Embedded>> embed(Exchange& exchange, ServerContext& context,
                                            OllamaEmbedCall call) {
  ModelWish wish(call.model, call.wanted.schedule);
  Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
  if (!lease) {
    co_return refuse(ollama_error(std::move(lease.error()), call.model));
  }
  if (call.keep_alive_ms) {
    context.models.set_keep_alive(lease->name(), *call.keep_alive_ms);
  }
  Embedded result;
  result.model = lease->name();
  result.load_us = std::max<int64_t>(monotonic_us() - arrival_of(exchange), 0);
  Api<EmbeddingBatch> batch = co_await embedding_batch(context, *lease, std::move(call.wanted));
  if (!batch) {
    co_return refuse(std::move(batch.error()));
  }
  Api<Embeddings> made = co_await compute_embeddings(exchange, context, std::move(*batch));
  if (!made) {
    co_return refuse(std::move(made.error()));
  }
  result.embeddings = std::move(*made);
  co_return result;
}

// The first `n` numbers, brought to length 1 again, as Ollama shortens vectors.
void shorten(std::vector<float>& vector, size_t n) {
  vector.resize(std::min(n, vector.size()));
  double squares = 0;
  for (const float number : vector) {
    squares += double{number} * double{number};
  }
  for (float& number : vector) {
    number = squares > 0 ? static_cast<float>(number / std::sqrt(squares)) : number;
  }
}

}  // namespace

Api<OllamaEmbedCall> read_embed_call(std::string_view body) {
  constexpr int64_t kMaxDimensions = 1 << 20;
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  OllamaEmbedCall call;
  Fields fields(*json);
  read_common(fields, call);
  read_inputs(fields, call.wanted.inputs);
  fields.boolean("truncate", call.wanted.truncate);
  fields.integer("dimensions", call.dimensions, {1, kMaxDimensions});
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

Api<OllamaEmbedCall> read_old_embed_call(std::string_view body) {
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  OllamaEmbedCall call;
  Fields fields(*json);
  read_common(fields, call);
  fields.require("prompt");
  std::string prompt;
  fields.text("prompt", prompt);
  if (!prompt.empty()) {  // an empty one only loads the model
    call.wanted.inputs.emplace_back(std::move(prompt));
  }
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

Task ollama_embed(Exchange& exchange, ServerContext& context) {
  Api<OllamaEmbedCall> call = co_await read_body(exchange, context, read_embed_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::ollama);
    co_return;
  }
  const std::optional<uint32_t> dimensions = call->dimensions;
  Api<Embedded> made = co_await embed(exchange, context, std::move(*call));
  if (!made) {
    co_await send_error(exchange, std::move(made.error()), Dialect::ollama);
    co_return;
  }
  const size_t n_bytes = n_json_bytes(made->embeddings);
  const int64_t total_us = monotonic_us() - arrival_of(exchange);
  auto work = [owned = std::move(*made), dimensions, total_us]() mutable -> Api<std::string> {
    for (std::vector<float>& vector : owned.embeddings.vectors) {
      shorten(vector, dimensions.value_or(static_cast<uint32_t>(vector.size())));
    }
    const Json body = {{"model", owned.model},
                       {"embeddings", owned.embeddings.vectors},
                       {"total_duration", total_us * kNanosPerMicro},
                       {"load_duration", owned.load_us * kNanosPerMicro},
                       {"prompt_eval_count", owned.embeddings.n_prompt_tokens}};
    return dump(body);
  };
  RequestWork writing(n_bytes, std::move(work));
  Api<std::string> body = co_await writing.run(exchange, context.offload);
  if (!body) {
    co_await send_error(exchange, std::move(body.error()), Dialect::ollama);
    co_return;
  }
  co_await send_json_text(exchange, std::move(*body));
}

Task ollama_old_embed(Exchange& exchange, ServerContext& context) {
  Api<OllamaEmbedCall> call = co_await read_body(exchange, context, read_old_embed_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::ollama);
    co_return;
  }
  Api<Embedded> made = co_await embed(exchange, context, std::move(*call));
  if (!made) {
    co_await send_error(exchange, std::move(made.error()), Dialect::ollama);
    co_return;
  }
  const auto& vectors = made->embeddings.vectors;
  Json body = {{"embedding", vectors.empty() ? std::vector<float>() : vectors.front()}};
  co_await send_json(exchange, std::move(body));
}

}  // namespace quern::server
