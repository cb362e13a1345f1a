// Server: listens, and answers HTTP requests with the routes it is given.
// run() belongs to one thread, on which all handlers run; drain() and stop() may come from any.
// Owns its connections; borrows the context, which must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/access_log.h"
#include "server/route.h"
#include "server/server_context.h"

namespace quern::server {

struct ServerParts {
  std::vector<std::span<const Route>> tables;
  std::function<void(const AccessRecord&)> on_request = {};  // after each answer
  std::function<void()> on_drain = {};                       // once, when it begins
  bool handle_signals = false;  // SIGTERM, SIGINT, SIGHUP drain; a second one ends the process
};

class Server {
 public:
  // Errors: a host that is no address of this machine, a port that is in use.
  static Result<std::unique_ptr<Server>> listen(ServerContext& context, ServerParts parts);
  ~Server();

  uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:11434"

  // Until stop(), or until drained.
  void run();
  // Takes no new work; run() returns when all work is done, or after the drain time-out, when what
  // still runs is cancelled.
  void drain();
  void stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::server
