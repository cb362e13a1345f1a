#include "server/openai_models.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "server/fields.h"
#include "server/reply.h"
#include "server/request_work.h"
#include "server/servable_models.h"

namespace quern::server {
namespace {

// When the file was written; 0 when that cannot be told.
int64_t file_seconds(const std::filesystem::path& path) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) {
    return 0;
  }
  const auto since = std::chrono::file_clock::to_sys(time).time_since_epoch();
  return std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(since).count());
}

Json model_json(const FoundModel& model) {
  return {{"id", model.name},
          {"object", "model"},
          {"created", file_seconds(model.path)},
          {"owned_by", name(model.source)}};
}

}  // namespace

Task list_openai_models(Exchange& exchange, ServerContext& context) {
  Json data = Json::array();
  const std::vector<ServableModel> models = co_await servable_models(context);
  for (const ServableModel& model : models) {
    data.push_back(model_json(model.found));
  }
  Json body = {{"object", "list"}, {"data", std::move(data)}};
  co_await send_json(exchange, std::move(body));
}

Task show_openai_model(Exchange& exchange, ServerContext& context) {
  const std::string wanted(exchange.request().path_param("id"));
  std::string name = wanted;
  const std::vector<ServableModel> found = co_await servable_model(context, std::move(name));
  if (found.empty()) {
    ApiError error{
        .status = 404,
        .code = "model_not_found",
        .param = "model",
        .message = "there is no model '" + wanted + "'; expected a name that GET /v1/models lists"};
    co_await send_error(exchange, std::move(error), Dialect::openai);
    co_return;
  }
  Json body = model_json(found.front().found);
  co_await send_json(exchange, std::move(body));
}

Api<RerankCall> read_rerank_call(std::string_view body) {
  constexpr size_t kMaxDocuments = 4096;
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  RerankCall call;
  Fields fields(*json);
  fields.text("model", call.model);
  fields.require("query");
  fields.text("query", call.query);
  fields.require("documents");
  fields.strings("documents", call.documents, kMaxDocuments);
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

Task rerank(Exchange& exchange, ServerContext& context) {
  Api<RerankCall> call = co_await read_body(exchange, context, read_rerank_call);
  ApiError error{.code = "model_not_supported",
                 .param = "model",
                 .message =
                     "reranking needs an encoder model, and none can be run yet; expected "
                     "another route"};
  if (!call) {
    error = std::move(call.error());
  }
  co_await send_error(exchange, std::move(error), Dialect::openai);
}

}  // namespace quern::server
