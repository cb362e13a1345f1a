// Exchange: one request and its answer, as a route's handler sees them.
// Used only on its connection's strand. Owned by the connection; a handler never keeps it.
//
// gcc 12 miscompiles temporaries with destructors inside a co_await expression when they come from
// braced initialisers or lambdas: name them as locals first.
#pragma once

#include <functional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "server/http_types.h"

namespace quern::server {

using Task = boost::asio::awaitable<void>;

struct StreamHead {
  std::string content_type = "text/event-stream";
  Headers headers;
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const HttpRequest& request() const = 0;
  virtual boost::asio::any_io_executor executor() const = 0;

  // The whole answer at once. Exactly one of send() and begin_stream() happens, once.
  virtual Task send(HttpResponse response) = 0;

  // An answer in pieces: begin, any number of writes, end. write() waits for a slow reader, within
  // the server's write time-out; false when the client is gone: nothing more needs to be written.
  virtual Task begin_stream(StreamHead head) = 0;
  virtual boost::asio::awaitable<bool> write(std::string piece) = 0;
  virtual Task end_stream() = 0;
  virtual bool has_begun() const = 0;

  // Called on the strand, once, when the client went away before the answer's end; at once if it
  // is gone already. One listener at a time; empty to remove it.
  virtual void on_client_gone(std::function<void()> listener) = 0;

  // Told once an answer's numbers are known, for the log line of this request; several add up.
  virtual void count_tokens(uint32_t /*n_prompt*/, uint32_t /*n_completion*/) {}
};

}  // namespace quern::server
