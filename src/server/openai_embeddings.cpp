#include "server/openai_embeddings.h"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "server/reply.h"
#include "server/request_work.h"

namespace quern::server {
namespace {

static_assert(std::endian::native == std::endian::little);

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = i; j < i + 3; ++j) {
      group = (group << 8U) | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U);
    }
    for (unsigned shift = 18;; shift -= 6) {
      text += kDigits[(group >> shift) & 63U];
      if (shift == 0) {
        break;
      }
    }
  }
  // Whole groups have three bytes; what was made up becomes padding.
  const size_t n_padding = (3 - bytes.size() % 3) % 3;
  text.replace(text.size() - n_padding, n_padding, std::string(n_padding, '='));
  return text;
}

boost::asio::awaitable<Api<std::string>> answer_embeddings(Exchange& exchange,
                                                           ServerContext& context,
                                                           EmbeddingCall call) {
  ModelWish wish(call.model, call.wanted.schedule);
  Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
  if (!lease) {
    co_return refuse(std::move(lease.error()));
  }
  Api<EmbeddingBatch> batch = co_await embedding_batch(context, *lease, std::move(call.wanted));
  if (!batch) {
    co_return refuse(std::move(batch.error()));
  }
  Api<Embeddings> made = co_await compute_embeddings(exchange, context, std::move(*batch));
  if (!made) {
    co_return refuse(std::move(made.error()));
  }
  const size_t n_bytes = n_json_bytes(*made);
  auto work = [&call, &lease, vectors = std::move(*made)]() -> Api<std::string> {
    Api<Json> answer = embeddings_answer(call, lease->name(), vectors);
    if (!answer) {
      return refuse(std::move(answer.error()));
    }
    return dump(*answer);
  };
  RequestWork writing(n_bytes, std::move(work));
  Api<std::string> body = co_await writing.run(exchange, context.offload);
  co_return std::move(body);
}

}  // namespace

std::string base64_floats(std::span<const float> values) {
  return base64({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

Api<EmbeddingCall> read_embedding_call(std::string_view body) {
  constexpr int64_t kMaxDimensions = 1 << 20;
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  EmbeddingCall call;
  Fields fields(*json);
  fields.text("model", call.model);
  read_prompts(fields, {.name = "input", .n_most = kMaxEmbeddingInputs}, call.wanted.inputs);
  std::string format = "float";
  fields.word("encoding_format", format, {"float", "base64"});
  call.is_base64 = format == "base64";
  fields.integer("dimensions", call.dimensions, {1, kMaxDimensions});
  read_schedule(fields, call.wanted.schedule);
  fields.text("cache_salt", call.wanted.cache_salt);
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

Api<Json> embeddings_answer(const EmbeddingCall& call, const std::string& model,
                            const Embeddings& embeddings) {
  Json data = Json::array();
  for (const std::vector<float>& vector : embeddings.vectors) {
    if (call.dimensions && *call.dimensions != vector.size()) {
      return refuse(bad_field("dimensions", fmt::format("dimensions is {}; expected {}, the "
                                                        "length of this model's embeddings",
                                                        *call.dimensions, vector.size())));
    }
    data.push_back({{"object", "embedding"},
                    {"index", data.size()},
                    {"embedding", call.is_base64 ? Json(base64_floats(vector)) : Json(vector)}});
  }
  return Json{{"object", "list"},
              {"data", std::move(data)},
              {"model", model},
              {"usage",
               {{"prompt_tokens", embeddings.n_prompt_tokens},
                {"total_tokens", embeddings.n_prompt_tokens}}}};
}

Task embeddings(Exchange& exchange, ServerContext& context) {
  Api<EmbeddingCall> call = co_await read_body(exchange, context, read_embedding_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::openai);
    co_return;
  }
  Api<std::string> body = co_await answer_embeddings(exchange, context, std::move(*call));
  if (!body) {
    co_await send_error(exchange, std::move(body.error()), Dialect::openai);
    co_return;
  }
  co_await send_json_text(exchange, std::move(*body));
}

}  // namespace quern::server
