// Connection: one client's TCP connection: reads its requests, lets routes answer them in order,
// and notices when the client goes away meanwhile: by a reset, or by the end of what it sends and
// no sign that it still reads. Who only ended its own side (nc -N) gets its answer. Used on the
// server's io thread only. Owned by its own coroutine and by the server's set, hence shared;
// borrows the hub, which must outlive it.
//
// One read is under way at any time that bytes are wanted: also while a handler runs, up to a
// bounded read-ahead, so that the end of the stream is seen.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "server/access_log.h"
#include "server/exchange.h"
#include "server/gate.h"
#include "server/http_parser.h"
#include "server/request_id.h"
#include "server/server_context.h"

namespace quern::server {

// What connections share, and tell the server.
class ConnectionHub {
 public:
  virtual ~ConnectionHub() = default;
  virtual ServerContext& context() = 0;
  virtual const Gate& gate() const = 0;
  virtual RequestIds& request_ids() = 0;
  virtual void on_answer_begun(const Route& route) = 0;
  virtual void on_answer_ended(const Route& route) = 0;
  virtual void on_request_logged(const AccessRecord& record) = 0;
};

class Connection final : public Exchange, public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  Connection(Socket socket, ConnectionHub& hub);

  // Serves requests until the connection ends. Does not throw what handlers throw.
  Task run();
  // Instead: says 503 and closes.
  Task refuse();
  // Ends a connection that waits for a next request; others end after their answer.
  void close_when_idle();
  void close();

  const HttpRequest& request() const override { return request_; }
  boost::asio::any_io_executor executor() const override { return executor_; }
  Task send(HttpResponse response) override;
  Task begin_stream(StreamHead head) override;
  boost::asio::awaitable<bool> write(std::string piece) override;
  Task end_stream() override;
  bool has_begun() const override { return has_begun_; }
  void on_client_gone(std::function<void()> listener) override;
  void count_tokens(uint32_t n_prompt, uint32_t n_completion) override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Fill : uint8_t { more, end, timeout };
  static constexpr size_t kReadBytes = 16 << 10;
  static constexpr size_t kMaxReadAhead = 64 << 10;

  // Reading: connection_read.cpp.
  void start_read();
  void on_read(const boost::system::error_code& error, size_t n_bytes);
  boost::asio::awaitable<Fill> fill(Clock::time_point deadline);
  boost::asio::awaitable<bool> read_head();
  boost::asio::awaitable<bool> read_body();

  // Answering one request, and ending.
  Task serve_request();
  Task answer(const Verdict& verdict);
  Task run_handler(const Route& route);
  Task finish_answer(const Route& route, const std::string& failure);
  Task reject(HttpParser::Fault fault);
  void log_answer();
  void forget_request();
  Task linger();

  // Writing: connection_write.cpp.
  boost::asio::awaitable<bool> write_bytes(std::string_view bytes);
  boost::asio::awaitable<bool> wait_writable();

  // Whether the client is still there: connection_client.cpp.
  void look_for_client();
  bool probe_client();
  void watch_for_reset();
  void client_is_gone();

  Socket socket_;
  boost::asio::any_io_executor executor_;
  ConnectionHub& hub_;
  const ServerConfig& config_;
  std::string peer_;

  std::array<char, kReadBytes> chunk_{};
  std::string unread_;
  bool is_reading_ = false;
  bool at_end_ = false;      // the client sends nothing more, but may still read
  bool is_watched_ = false;  // for a reset, after that
  bool is_gone_ = false;
  bool is_closed_ = false;
  bool is_idle_ = false;
  bool must_linger_ = false;  // the client may still be sending what nobody will read
  boost::asio::steady_timer read_event_;
  boost::asio::steady_timer write_deadline_;

  HttpParser parser_;
  HttpRequest request_;
  RequestIds::Claim id_claim_;
  Dialect dialect_ = Dialect::plain;
  bool keep_alive_ = true;
  bool is_head_request_ = false;
  bool is_http_1_0_ = false;
  bool has_begun_ = false;
  bool is_streaming_ = false;
  bool is_handling_ = false;
  std::function<void()> gone_listener_;
  AccessRecord record_;
};

}  // namespace quern::server
