// What a connection writes: answers, whole or streamed, at the pace of who reads them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "server/connection.h"
#include "server/response_head.h"

namespace quern::server {
namespace {

using boost::asio::awaitable;
using boost::asio::redirect_error;
using boost::asio::use_awaitable;
using boost::asio::ip::tcp;
using boost::system::error_code;
using std::chrono::seconds;

// A larger body is not copied behind its head.
constexpr size_t kLargeBytes = size_t{64} << 10;
// A reader as fast as the writer does not keep the io thread for itself.
constexpr size_t kBytesAtATime = size_t{256} << 10;

}  // namespace

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
  const bool has_body = !is_head_request_ && !is_bodyless(response.status);
  const bool is_large = response.body.size() >= kLargeBytes;
  if (has_body && !is_large) {
    bytes += response.body;
  }
  const bool written = co_await write_bytes(bytes);
  if (has_body && is_large && written) {
    co_await write_bytes(response.body);
  }
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

// Most writes fit into the kernel's buffer; waiting is for readers that are slow.
awaitable<bool> Connection::write_bytes(std::string_view bytes) {
  while (!bytes.empty() && !is_closed_) {
    error_code error;
    const size_t n_bytes = std::min(bytes.size(), kBytesAtATime);
    const size_t n_written = socket_.write_some(boost::asio::buffer(bytes.data(), n_bytes), error);
    bytes.remove_prefix(n_written);
    record_.n_bytes += n_written;
    if (error == boost::asio::error::would_block || error == boost::asio::error::try_again) {
      const bool writable = co_await wait_writable();
      if (!writable) {
        break;
      }
    } else if (error) {
      close();
    } else if (!bytes.empty()) {
      co_await boost::asio::post(executor_, use_awaitable);
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

}  // namespace quern::server
