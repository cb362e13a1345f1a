// What a connection reads: bytes as they come, and of them the head and the body of a request.
#include <fmt/format.h>

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "server/connection.h"

namespace quern::server {
namespace {

using boost::asio::awaitable;
using boost::asio::redirect_error;
using boost::asio::use_awaitable;
using boost::system::error_code;
using std::chrono::seconds;

}  // namespace

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

}  // namespace quern::server
