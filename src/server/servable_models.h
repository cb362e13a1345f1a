// Which of the models found can be served. For the lists of models of all dialects, and for
// requests that name none. Used on the server's io thread; the disk is read on an offload worker.
#pragma once

#include <string>
#include <vector>

#include "engine/discovery.h"
#include "gguf/scan.h"
#include "server/exchange.h"
#include "server/server_context.h"

namespace quern::server {

struct ServableModel {
  FoundModel found;
  ModelSummary summary;
};

// All whose file's head is whole and says that it is a model of a known architecture: neither
// broken ones nor projectors, adapters and vocabularies.
boost::asio::awaitable<std::vector<ServableModel>> servable_models(ServerContext& context);
// The name that a request without one means: of the one file given to the server, or of the only
// model that can be served; empty when there are several, or none.
boost::asio::awaitable<std::string> default_model(ServerContext& context);
// The one that the list writes so; empty when there is none.
boost::asio::awaitable<std::vector<ServableModel>> servable_model(ServerContext& context,
                                                                  std::string name);

}  // namespace quern::server
