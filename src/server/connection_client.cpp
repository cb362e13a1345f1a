// Whether a connection's client is still there, which whoever computes for it wants to know.
#include <utility>

#include <boost/asio/buffer.hpp>

#include "server/connection.h"

namespace quern::server {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// An interim response, which every client of HTTP/1.1 passes over (RFC 9110, section 15.2): the
// system of one that is gone answers it with a reset. 100, because some know no other.
constexpr std::string_view kProbe = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

void Connection::on_client_gone(std::function<void()> listener) {
  gone_listener_ = std::move(listener);
  if (gone_listener_ && (is_gone_ || is_closed_)) {
    client_is_gone();
  }
  look_for_client();
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

}  // namespace quern::server
