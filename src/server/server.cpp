#include "server/server.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <unordered_set>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "server/connection.h"
#include "server/live_requests.h"
#include "server/offload.h"

namespace quern::server {
namespace {

using boost::asio::redirect_error;
using boost::asio::use_awaitable;
using boost::asio::ip::tcp;
using boost::system::error_code;
using std::chrono::seconds;

constexpr int kInterruptedExitCode = 130;
// Refusals that are being said at a time; connections beyond them are closed without a word.
constexpr size_t kMaxRefusals = 64;
// After an accept that failed for want of descriptors or memory.
constexpr std::chrono::milliseconds kAcceptPause{100};
// What was cancelled at the end of a drain may still say so to its clients.
constexpr seconds kFarewell{5};

Error cannot_listen(const ServerConfig& config, const error_code& error) {
  const bool in_use = error == boost::asio::error::address_in_use;
  return {.kind = ErrorKind::io,
          .where = "serve",
          .what = fmt::format("cannot listen on {} port {}: {}", config.host, config.port,
                              in_use ? "the port is in use" : error.message()),
          .expected = in_use ? "another one (--port N, or 0 for any free one)"
                             : "an address of this machine in --host and a port that may be used"};
}

}  // namespace

class Server::Impl final : public ConnectionHub {
 public:
  Impl(ServerContext& context, ServerParts parts)
      : io_(1),
        context_(context),
        parts_(std::move(parts)),
        gate_(context, parts_.tables),
        acceptor_(io_),
        drain_deadline_(io_),
        signals_(io_) {}

  ~Impl() override {
    // No worker may come back to an io context that is gone.
    context_.offload.stop();
  }

  Status listen() {
    tcp::resolver resolver(io_);
    error_code error;
    const auto found =
        resolver.resolve(context_.config.host, std::to_string(context_.config.port),
                         tcp::resolver::passive | tcp::resolver::numeric_service, error);
    if (error) {
      return fail(cannot_listen(context_.config, error));
    }
    error = boost::asio::error::host_not_found;
    for (const auto& entry : found) {
      if (bind(entry.endpoint(), error)) {
        watch_signals();
        return {};
      }
    }
    return fail(cannot_listen(context_.config, error));
  }

  uint16_t port() const { return port_; }

  std::string url() const {
    const std::string& host = context_.config.host;
    const bool is_v6 = host.find(':') != std::string::npos;
    return fmt::format("http://{}{}{}:{}", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port_);
  }

  void run() {
    boost::asio::co_spawn(io_, accept(), [this](const std::exception_ptr& failure) {
      report(failure, "accepting connections");
    });
    io_.run();
  }

  void drain() {
    boost::asio::post(io_, [this] { begin_drain(); });
  }

  void stop() { io_.stop(); }

  ServerContext& context() override { return context_; }
  const Gate& gate() const override { return gate_; }
  RequestIds& request_ids() override { return request_ids_; }

  void on_answer_begun(const Route& route) override {
    if (!route.while_draining) {
      ++n_busy_;
    }
  }

  void on_answer_ended(const Route& route) override {
    if (!route.while_draining) {
      --n_busy_;
    }
    stop_when_drained();
  }

  void on_request_logged(const AccessRecord& record) override {
    if (parts_.on_request) {
      parts_.on_request(record);
    }
  }

 private:
  bool bind(const tcp::endpoint& endpoint, error_code& error) {
    tcp::acceptor acceptor(io_);
    error_code ignored;
    if (acceptor.open(endpoint.protocol(), error) ||
        acceptor.set_option(tcp::acceptor::reuse_address(true), error)) {
      return false;
    }
    if (endpoint.protocol() == tcp::v6() &&
        acceptor.set_option(boost::asio::ip::v6_only(false), ignored)) {
      context_.log.warn("IPv4 clients may not reach this address: " + ignored.message());
    }
    if (acceptor.bind(endpoint, error) ||
        acceptor.listen(boost::asio::socket_base::max_listen_connections, error)) {
      return false;
    }
    port_ = acceptor.local_endpoint(error).port();
    acceptor_ = std::move(acceptor);
    return !error;
  }

  Task accept() {
    boost::asio::steady_timer pause(io_);
    while (acceptor_.is_open()) {
      error_code error;
      tcp::socket socket = co_await acceptor_.async_accept(redirect_error(use_awaitable, error));
      if (!error) {
        take(std::move(socket));
      } else if (acceptor_.is_open() && error != boost::asio::error::connection_aborted) {
        context_.log.warn("a connection could not be accepted: " + error.message());
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(redirect_error(use_awaitable, error));
      }
    }
  }

  void take(tcp::socket socket) {
    const bool is_full = connections_.size() >= context_.config.max_connections;
    if (is_full && n_refusals_ >= kMaxRefusals) {
      return;
    }
    const auto connection = std::make_shared<Connection>(std::move(socket), *this);
    if (is_full) {
      ++n_refusals_;
      boost::asio::co_spawn(io_, connection->refuse(),
                            [this, connection](const std::exception_ptr& failure) {
                              --n_refusals_;
                              report(failure, "a refused connection");
                            });
      return;
    }
    connections_.insert(connection);
    boost::asio::co_spawn(io_, connection->run(),
                          [this, connection](const std::exception_ptr& failure) {
                            connection->close();
                            connections_.erase(connection);
                            report(failure, "a connection");
                          });
  }

  void report(const std::exception_ptr& failure, std::string_view where) {
    if (!failure) {
      return;
    }
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      context_.log.error(fmt::format("{} ended: {}", where, error.what()));
    } catch (...) {
      context_.log.error(fmt::format("{} ended by an unknown exception", where));
    }
  }

  // From before anybody is told that the server listens: who then sends a signal has it drain.
  void watch_signals() {
    if (parts_.handle_signals) {
      for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        signals_.add(signal);
      }
      wait_for_signal();
    }
  }

  void wait_for_signal() {
    signals_.async_wait([this](const error_code& error, int /*signal*/) {
      if (error) {
        return;
      }
      if (context_.draining.load()) {
        std::_Exit(kInterruptedExitCode);
      }
      begin_drain();
      wait_for_signal();
    });
  }

  void begin_drain() {
    if (context_.draining.exchange(true)) {
      return;
    }
    if (parts_.on_drain) {
      parts_.on_drain();
    }
    // Copies, because closing may take one out of the set.
    const std::vector<std::shared_ptr<Connection>> open(connections_.begin(), connections_.end());
    for (const auto& connection : open) {
      connection->close_when_idle();
    }
    drain_deadline_.expires_after(seconds(context_.config.drain_timeout_s));
    drain_deadline_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) {
        end_drain();
      }
    });
    stop_when_drained();
  }

  void end_drain() {
    context_.live.cancel_all();
    drain_deadline_.expires_after(kFarewell);
    drain_deadline_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) {
        stop();
      }
    });
  }

  // The answer that has just ended is written first.
  void stop_when_drained() {
    if (context_.draining.load() && n_busy_ == 0) {
      boost::asio::post(io_, [this] {
        if (n_busy_ == 0) {
          stop();
        }
      });
    }
  }

  RequestIds request_ids_;  // connections refer to it, and some go with the io context
  // Before what has sockets and timers, which refer to it.
  boost::asio::io_context io_;
  ServerContext& context_;
  ServerParts parts_;
  Gate gate_;
  tcp::acceptor acceptor_;
  uint16_t port_ = 0;
  boost::asio::steady_timer drain_deadline_;
  boost::asio::signal_set signals_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  size_t n_refusals_ = 0;
  size_t n_busy_ = 0;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::listen(ServerContext& context, ServerParts parts) {
  auto impl = std::make_unique<Impl>(context, std::move(parts));
  QUERN_TRY(impl->listen());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

uint16_t Server::port() const {
  return impl_->port();
}

std::string Server::url() const {
  return impl_->url();
}

void Server::run() {
  impl_->run();
}

void Server::drain() {
  impl_->drain();
}

void Server::stop() {
  impl_->stop();
}

}  // namespace quern::server
