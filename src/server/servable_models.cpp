#include "server/servable_models.h"

#include <utility>

#include "model/registry.h"
#include "server/offload.h"

namespace quern::server {
namespace {

std::vector<ServableModel> servable(std::vector<FoundModel> found) {
  std::vector<ServableModel> models;
  for (FoundModel& one : found) {
    if (!one.error.empty()) {
      continue;
    }
    ModelSummary summary = summarise(one.path);
    if (summary.error.empty() && summary.kind == ModelFileKind::model &&
        find_architecture(summary.architecture) != nullptr) {
      models.push_back({.found = std::move(one), .summary = std::move(summary)});
    }
  }
  return models;
}

// Reading a head takes milliseconds.
boost::asio::awaitable<std::vector<ServableModel>> look_at(ServerContext& context,
                                                           std::vector<FoundModel> found) {
  auto work = [owned = std::move(found)]() mutable { return servable(std::move(owned)); };
  std::vector<ServableModel> models = co_await context.offload.run(0, std::move(work));
  co_return models;
}

}  // namespace

boost::asio::awaitable<std::vector<ServableModel>> servable_models(ServerContext& context) {
  std::vector<FoundModel> found = context.models.list();
  std::vector<ServableModel> models = co_await look_at(context, std::move(found));
  co_return models;
}

boost::asio::awaitable<std::string> default_model(ServerContext& context) {
  std::string name = context.models.default_name();
  if (name.empty()) {
    std::vector<ServableModel> models = co_await servable_models(context);
    if (models.size() == 1) {
      name = std::move(models.front().found.name);
    }
  }
  co_return name;
}

boost::asio::awaitable<std::vector<ServableModel>> servable_model(ServerContext& context,
                                                                  std::string name) {
  std::vector<FoundModel> found = context.models.list();
  std::erase_if(found, [&name](const FoundModel& model) { return model.name != name; });
  std::vector<ServableModel> models = co_await look_at(context, std::move(found));
  co_return models;
}

}  // namespace quern::server
