#include "server/connection.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "base/system_info.h"
#include "server/os_socket.h"
#include "server/request_id.h"

namespace quern::server {
namespace {

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
  const ApiError error =
      unavailable("too_many_connections",
                  fmt::format("{} connections are open; expected fewer, or another try later",
                              config_.max_connections),
                  1);
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

void Connection::count_tokens(uint32_t n_prompt, uint32_t n_completion) {
  record_.n_prompt_tokens += n_prompt;
  record_.n_completion_tokens += n_completion;
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
