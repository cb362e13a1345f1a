#include "server/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/system_info.h"
#include "server/os_socket.h"
#include "server/request_id.h"
#include "server/response_head.h"

namespace quern::server {
namespace {

using boost::asio::awaitable;
using boost::asio::redirect_error;
using boost::asio::use_awaitable;
using boost::asio::ip::tcp;
using boost::system::error_code;
using std::chrono::seconds;

// Asio's functions return the error that they also store; here it changes nothing.
void ignore(const error_code& /*error*/) {}

// A refused body up to this size is read all the same, so that the connection can go on.
constexpr uint64_t kSmallBodyBytes = 64 << 10;
// How long, and how many bytes, an ended connection listens to what the client still sends, so that
// the client reads the answer before it hears of the end.
constexpr seconds kLinger{2};
constexpr size_t kMaxLingerBytes = size_t{64} << 20;
// An interim response, which every client of HTTP/1.1 passes over (RFC 9110, section 15.2): the
// system of one that is gone answers it with a reset. 100, because some know no other.
constexpr std::string_view kProbe = "HTTP/1.1 100 Continue\r\n\r\n";
// A queue of unsent bytes in the kernel is part of what a slow reader may hold.
constexpr int kSendBufferBytes = 256 << 10;

std::string peer_of(const tcp::socket& socket) {
  error_code error;
  const tcp::endpoint endpoint = socket.remote_endpoint(error);
  return error ? std::string() : endpoint.address().to_string();
}

HttpResponse internal_error(Dialect dialect) {
  return error_response(
      {.status = 500,
       .type = "server_error",
       .code = "internal_error",
       .param = "",
       .message =
           "the server failed to answer; expected the cause in its log, by this request's id"},
      dialect);
}

}  // namespace

Connection::Connection(Socket socket, ConnectionHub& hub)
    : socket_(std::move(socket)),
      executor_(socket_.get_executor()),
      hub_(hub),
      config_(hub.context().config),
      peer_(peer_of(socket_)),
      read_event_(executor_),
      write_deadline_(executor_),
      parser_(HttpParser::Limits{.body_bytes = config_.max_body_bytes}) {
  error_code ignored;
  ignore(socket_.set_option(tcp::no_delay(true), ignored));
  ignore(socket_.set_option(boost::asio::socket_base::send_buffer_size(kSendBufferBytes), ignored));
  ignore(socket_.non_blocking(true, ignored));
  watch_for_vanished_peer(socket_.native_handle(), config_.write_timeout_s);
}

// ---- Reading

void Connection::start_read() {
  if (is_reading_ || at_end_ || is_closed_) {
    return;
  }
  is_reading_ = true;
  socket_.async_read_some(boost::asio::buffer(chunk_),
                          [self = shared_from_this()](const error_code& error, size_t n_bytes) {
                            self->on_read(error, n_bytes);
                          });
}

void Connection::on_read(const error_code& error, size_t n_bytes) {
  is_reading_ = false;
  unread_.append(chunk_.data(), n_bytes);
  read_event_.cancel();
  if (error == boost::asio::error::eof) {
    at_end_ = true;
    look_for_client();
  } else if (error) {
    at_end_ = true;
    close();
    client_is_gone();
  } else if (is_handling_ && unread_.size() < kMaxReadAhead) {
    start_read();
  }
}

awaitable<Connection::Fill> Connection::fill(Clock::time_point deadline) {
  const size_t n_before = unread_.size();
  start_read();
  while (is_reading_ && unread_.size() == n_before) {
    error_code cancelled;
    read_event_.expires_at(deadline);
    co_await read_event_.async_wait(redirect_error(use_awaitable, cancelled));
    if (!cancelled && unread_.size() == n_before && is_reading_) {
      co_return Fill::timeout;
    }
  }
  co_return unread_.size() > n_before ? Fill::more : Fill::end;
}

awaitable<bool> Connection::read_head() {
  if (unread_.empty()) {
    is_idle_ = true;
    const Fill first = co_await fill(Clock::now() + seconds(config_.idle_timeout_s));
    is_idle_ = false;
    if (first != Fill::more) {
      co_return false;
    }
  }
  const Clock::time_point deadline = Clock::now() + seconds(config_.header_timeout_s);
  while (parser_.feed(unread_) == HttpParser::State::head) {
    const Fill more = co_await fill(deadline);
    if (more == Fill::timeout) {
      HttpParser::Fault fault{408, "header_timeout",
                              fmt::format("the header took longer than {} s; expected it sooner",
                                          config_.header_timeout_s)};
      co_await reject(std::move(fault));
    }
    if (more != Fill::more) {
      co_return false;
    }
  }
  co_return true;
}

awaitable<bool> Connection::read_body() {
  if (parser_.expects_continue() && unread_.empty() && parser_.state() == HttpParser::State::body) {
    const bool sent = co_await write_bytes("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) {
      co_return false;
    }
  }
  const Clock::time_point deadline = Clock::now() + seconds(config_.body_timeout_s);
  while (parser_.feed(unread_) == HttpParser::State::body) {
    const Fill more = co_await fill(deadline);
    if (more == Fill::timeout) {
      HttpParser::Fault fault{408, "body_timeout",
                              fmt::format("the body took longer than {} s; expected it sooner",
                                          config_.body_timeout_s)};
      co_await reject(std::move(fault));
    }
    if (more != Fill::more) {
      co_return false;
    }
  }
  if (parser_.state() == HttpParser::State::failed) {
    HttpParser::Fault fault = parser_.fault();
    co_await reject(std::move(fault));
    co_return false;
  }
  request_.body = parser_.take_body();
  co_return true;
}

// ---- The loop over requests

Task Connection::run() {
  const std::shared_ptr<Connection> self = shared_from_this();
  while (!is_closed_ && keep_alive_) {
    const bool has_head = co_await read_head();
    if (!has_head) {
      break;
    }
    co_await serve_request();
    forget_request();
  }
  co_await linger();
  close();
}

// One request whose head was read, or is at fault.
Task Connection::serve_request() {
  if (parser_.has_head()) {
    request_ = parser_.head();
    is_head_request_ = request_.method == "HEAD";
    is_http_1_0_ = parser_.is_http_1_0();
  }
  request_.arrival_us = monotonic_us();
  record_ = {.request_id = request_.request_id, .method = request_.method, .peer = peer_};
  Verdict verdict;
  if (parser_.has_head()) {
    verdict = hub_.gate().check(request_, parser_.target());
    dialect_ = verdict.dialect;
    record_.path = request_.path;
    const RequestIds::Wish wish{.key_salt = request_.key_salt, .id = request_.request_id};
    id_claim_ = hub_.request_ids().claim(wish);
    request_.request_id = record_.request_id = id_claim_.id();
  }
  if (parser_.state() == HttpParser::State::failed) {
    HttpParser::Fault fault = parser_.fault();
    co_await reject(std::move(fault));
    co_return;
  }
  keep_alive_ = parser_.keep_alive();
  const bool refuses_body =
      verdict.answer && parser_.state() == HttpParser::State::body &&
      (parser_.expects_continue() ||
       parser_.content_length().value_or(kSmallBodyBytes + 1) > kSmallBodyBytes);
  if (refuses_body) {
    keep_alive_ = false;
    must_linger_ = true;
  } else {
    const bool has_body = co_await read_body();
    if (!has_body) {
      keep_alive_ = false;
      co_return;
    }
  }
  co_await answer(verdict);
}

Task Connection::answer(const Verdict& verdict) {
  if (hub_.context().draining.load()) {
    keep_alive_ = false;
  }
  if (verdict.answer) {
    HttpResponse response = *verdict.answer;
    co_await send(std::move(response));
  } else {
    hub_.on_answer_begun(*verdict.route);
    co_await run_handler(*verdict.route);
    hub_.on_answer_ended(*verdict.route);
  }
  log_answer();
}

Task Connection::run_handler(const Route& route) {
  is_handling_ = true;
  if (unread_.size() < kMaxReadAhead) {
    start_read();
  }
  std::string failure;
  try {
    co_await route.handler(*this, hub_.context());
  } catch (const std::exception& error) {
    failure = error.what();
  } catch (...) {
    failure = "an unknown exception";
  }
  gone_listener_ = nullptr;
  co_await finish_answer(route, failure);
  is_handling_ = false;
}

// However a handler ended, the client gets an answer that is whole, or sees that it is not.
Task Connection::finish_answer(const Route& route, const std::string& failure) {
  if (!failure.empty()) {
    hub_.context().log.error(
        fmt::format("{} {} {}: {}", request_.request_id, route.method, route.pattern, failure));
  }
  if (!has_begun_) {
    HttpResponse response = internal_error(dialect_);
    co_await send(std::move(response));
  } else if (is_streaming_ && failure.empty()) {
    co_await end_stream();
  } else if (is_streaming_) {
    close();
  }
}

// Answers a request that cannot be understood; the connection ends with it.
Task Connection::reject(HttpParser::Fault fault) {
  keep_alive_ = false;
  must_linger_ = true;
  if (request_.request_id.empty()) {
    request_.request_id = fresh_request_id();
    record_ = {.request_id = request_.request_id, .method = "-", .path = "-", .peer = peer_};
  }
  ApiError error;
  error.status = fault.status;
  error.code = std::move(fault.code);
  error.message = std::move(fault.message);
  HttpResponse response = error_response(error, dialect_);
  co_await send(std::move(response));
  log_answer();
}

Task Connection::refuse() {
  const std::shared_ptr<Connection> self = shared_from_this();
  ApiError error;
  error.status = 503;
  error.type = "server_error";
  error.code = "too_many_connections";
  error.message = fmt::format("{} connections are open; expected fewer, or another try later",
                              config_.max_connections);
  error.retry_after_s = 1;
  keep_alive_ = false;
  must_linger_ = true;
  request_.request_id = fresh_request_id();
  HttpResponse response = error_response(error, Dialect::plain);
  co_await send(std::move(response));
  co_await linger();
  close();
}

void Connection::log_answer() {
  record_.duration_us = monotonic_us() - request_.arrival_us;
  if (request_.arrival_us == 0) {
    record_.duration_us = 0;
  }
  hub_.on_request_logged(record_);
}

void Connection::forget_request() {
  parser_ = HttpParser(HttpParser::Limits{.body_bytes = config_.max_body_bytes});
  request_ = {};
  id_claim_ = {};
  record_ = {};
  dialect_ = Dialect::plain;
  is_head_request_ = false;
  has_begun_ = false;
  is_streaming_ = false;
}

// ---- Answering

Task Connection::send(HttpResponse response) {
  if (has_begun_) {
    hub_.context().log.error(request_.request_id + " was answered twice");
    co_return;
  }
  has_begun_ = true;
  record_.status = response.status;
  const Headers common = hub_.gate().common_headers(request_);
  ResponseHead head;
  head.status = response.status;
  head.content_type = response.content_type;
  head.n_body_bytes = response.body.size();
  head.keep_alive = keep_alive_;
  head.is_http_1_0 = is_http_1_0_;
  std::string bytes = write_head(head, common, response.headers);
  if (!is_head_request_ && !is_bodyless(response.status)) {
    bytes += response.body;
  }
  co_await write_bytes(bytes);
}

Task Connection::begin_stream(StreamHead head) {
  if (has_begun_) {
    hub_.context().log.error(request_.request_id + " was answered twice");
    co_return;
  }
  has_begun_ = true;
  is_streaming_ = true;
  record_.status = 200;
  if (is_http_1_0_) {
    keep_alive_ = false;  // the end of the connection is the end of the answer
  }
  const Headers common = hub_.gate().common_headers(request_);
  ResponseHead response;
  response.content_type = head.content_type;
  response.chunked = !is_http_1_0_;
  response.keep_alive = keep_alive_;
  response.is_http_1_0 = is_http_1_0_;
  head.headers.emplace_back("Cache-Control", "no-cache");
  const std::string bytes = write_head(response, common, head.headers);
  co_await write_bytes(bytes);
}

awaitable<bool> Connection::write(std::string piece) {
  if (!is_streaming_ || is_closed_) {
    co_return false;
  }
  if (piece.empty() || is_head_request_) {
    co_return true;
  }
  if (!is_http_1_0_) {
    piece.insert(0, fmt::format("{:x}\r\n", piece.size()));
    piece += "\r\n";
  }
  const bool written = co_await write_bytes(piece);
  co_return written;
}

Task Connection::end_stream() {
  if (!is_streaming_) {
    co_return;
  }
  is_streaming_ = false;
  if (!is_http_1_0_ && !is_head_request_) {
    co_await write_bytes("0\r\n\r\n");
  }
}

void Connection::on_client_gone(std::function<void()> listener) {
  gone_listener_ = std::move(listener);
  if (gone_listener_ && (is_gone_ || is_closed_)) {
    client_is_gone();
  }
  look_for_client();
}

void Connection::count_tokens(uint32_t n_prompt, uint32_t n_completion) {
  record_.n_prompt_tokens += n_prompt;
  record_.n_completion_tokens += n_completion;
}

// A client that closed its connection looks the same here as one that only has nothing more to say,
// until something is written to it. Only work that can be cancelled is worth finding out for.
void Connection::look_for_client() {
  if (!gone_listener_ || !at_end_ || is_closed_ || is_watched_) {
    return;
  }
  watch_for_reset();
  if (!has_begun_ && !probe_client()) {
    client_is_gone();
  }
}

// False when there is no way to find out: HTTP/1.0 knows no interim responses.
bool Connection::probe_client() {
  if (is_http_1_0_) {
    return false;
  }
  error_code error;
  const size_t n_written =
      socket_.write_some(boost::asio::buffer(kProbe.data(), kProbe.size()), error);
  record_.n_bytes += n_written;
  // Where the kernel's buffer is full, what is in it is the probe. It takes so few bytes as a whole
  // or not at all; a part of them could not be followed by an answer.
  return error == boost::asio::error::would_block || error == boost::asio::error::try_again ||
         (!error && n_written == kProbe.size());
}

void Connection::watch_for_reset() {
  is_watched_ = true;
  socket_.async_wait(tcp::socket::wait_error,
                     [self = shared_from_this()](const error_code& aborted) {
                       if (!aborted) {
                         self->close();
                         self->client_is_gone();
                       }
                     });
}

void Connection::client_is_gone() {
  is_gone_ = true;
  if (!is_handling_) {
    return;
  }
  record_.client_gone = true;
  const std::function<void()> listener = std::exchange(gone_listener_, nullptr);
  if (listener) {
    listener();
  }
}

// Most writes fit into the kernel's buffer; waiting is for readers that are slow.
awaitable<bool> Connection::write_bytes(std::string_view bytes) {
  while (!bytes.empty() && !is_closed_) {
    error_code error;
    const size_t n_written =
        socket_.write_some(boost::asio::buffer(bytes.data(), bytes.size()), error);
    bytes.remove_prefix(n_written);
    record_.n_bytes += n_written;
    if (error == boost::asio::error::would_block || error == boost::asio::error::try_again) {
      const bool writable = co_await wait_writable();
      if (!writable) {
        break;
      }
    } else if (error) {
      close();
    }
  }
  if (is_closed_) {
    client_is_gone();
  }
  co_return !is_closed_;
}

// Closes the connection of a reader that takes nothing within the write time-out.
awaitable<bool> Connection::wait_writable() {
  write_deadline_.expires_after(seconds(config_.write_timeout_s));
  write_deadline_.async_wait([self = shared_from_this()](const error_code& cancelled) {
    // Re-armed timers cancel their former wait, so one that ends is the newest.
    if (!cancelled && self->write_deadline_.expiry() <= Clock::now()) {
      self->close();
    }
  });
  error_code error;
  co_await socket_.async_wait(tcp::socket::wait_write, redirect_error(use_awaitable, error));
  write_deadline_.expires_at(Clock::time_point::max());
  if (error) {
    close();
  }
  co_return !is_closed_;
}

// ---- The end

void Connection::close_when_idle() {
  keep_alive_ = false;
  if (is_idle_) {
    close();
  }
}

void Connection::close() {
  if (is_closed_) {
    return;
  }
  is_closed_ = true;
  error_code ignored;
  ignore(socket_.shutdown(tcp::socket::shutdown_both, ignored));
  ignore(socket_.close(ignored));
  read_event_.cancel();
}

Task Connection::linger() {
  if (!must_linger_ || is_closed_) {
    co_return;
  }
  error_code ignored;
  ignore(socket_.shutdown(tcp::socket::shutdown_send, ignored));
  const Clock::time_point deadline = Clock::now() + kLinger;
  size_t n_read = 0;
  Fill more = Fill::more;
  while (more == Fill::more && n_read < kMaxLingerBytes) {
    unread_.clear();
    more = co_await fill(deadline);
    n_read += unread_.size();
  }
}

}  // namespace quern::server
