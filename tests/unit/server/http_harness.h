// A server on a free port of this machine with all its routes and some of the test's own, and a
// client that speaks to it byte by byte.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "server/access_log.h"
#include "server/live_requests.h"
#include "server/offload.h"
#include "server/response_store.h"
#include "server/server.h"
#include "server/server_context.h"

namespace quern::server::test {

// What handlers tell the test's thread, and the other way round.
class Notes {
 public:
  void add(const std::string& note);
  // Until it was added at least `n` times. A note that never comes ends the test by its time-out.
  void wait_for(const std::string& note, size_t n = 1);
  size_t count(const std::string& note);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
};

// Handlers are plain functions, so what they share with a test is here. Cleared by each TestServer.
Notes& notes();

// GET and POST /echo, /open (no key needed), /salt, /items/{id}, /names/{name+}; GET /stream,
// /throw, /throw_late, /silent (answers nothing), /hold (until tell(), or its client goes away),
// /drip (streams what tell() says until "end", or its client goes away), /flood (until it cannot
// write any more); GET /v1/throw and /api/throw in their dialects. Those that wait note "held", and
// "gone" when their client went away. Besides these, the program's own routes.
std::vector<std::span<const Route>> test_routes();

// To every /hold and /drip that noted "held".
void tell(const std::string& word);

class TestServer {
 public:
  explicit TestServer(ServerConfig config = {}, ModelManagerConfig models = {});
  ~TestServer();

  uint16_t port() const { return server_->port(); }
  Server& server() { return *server_; }
  ServerContext& context() { return *context_; }
  // Until run() has returned.
  void join();
  std::vector<AccessRecord> records();
  // Until so many requests were logged.
  void wait_for_records(size_t n);

 private:
  ServerConfig config_;
  EngineMetrics metrics_;
  Log log_;
  std::unique_ptr<ModelManager> models_;
  LiveRequests live_;
  ResponseStore responses_;
  Offload offload_;
  std::atomic<bool> draining_{false};
  std::unique_ptr<ServerContext> context_;
  std::unique_ptr<Server> server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<AccessRecord> records_;
  std::thread thread_;
};

// Keeps the workers for bulk busy until release(), or its end.
class HeldWorkers {
 public:
  explicit HeldWorkers(Offload& offload);
  ~HeldWorkers() { release(); }
  void release();

 private:
  boost::asio::awaitable<void> hold(Offload& offload);

  boost::asio::io_context io_;
  std::latch began_{static_cast<std::ptrdiff_t>(Offload::kBulkWorkers)};
  std::latch released_{1};
  std::thread thread_;
};

// n_bytes of 'x'.
std::string filler(size_t n_bytes);

struct Answer {
  unsigned status = 0;
  Headers headers;  // names in lower case
  std::string body;
  bool is_whole = false;  // the end of the body was seen as its head announced it

  std::string header(std::string_view name) const;
};

// Blocking, with a time-out on each read that only a broken server meets.
class Client {
 public:
  explicit Client(uint16_t port);

  void send(std::string_view bytes);
  // A request with a Host header and, with a body, its length.
  void request(const std::string& line, const std::string& headers = {},
               const std::string& body = {});
  // The next answer; `to_head` for one without a body. Status 0 when the connection ended before.
  Answer read(bool to_head = false);
  Answer get(const std::string& path, const std::string& headers = {});
  // Whether the server ended the connection (and had sent nothing more).
  bool is_closed();
  // All that comes until the connection's end.
  std::string read_all();
  void close();
  // Ends the connection as a crashed program does.
  void reset();
  void half_close();
  boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  bool fill();
  bool read_until(const std::string& mark);
  std::string take(size_t n_bytes);
  bool read_chunks(std::string& body);

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  std::string unread_;
};

}  // namespace quern::server::test
