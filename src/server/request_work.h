// What a request's handler does on a worker where it is long, so that no other connection waits:
// reading a large body, writing a large answer. Used on the exchange's strand.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "server/api_error.h"
#include "server/exchange.h"
#include "server/offload.h"
#include "server/server_context.h"

namespace quern::server {

// Work that gives an Api<...> and takes about as long as reading or writing JSON of n_bytes: done
// at once where that is little, else on a worker. When the client goes away before a worker begins,
// it is left out and refused as cancelled.
template <typename Work>
class RequestWork {
 public:
  RequestWork(size_t n_bytes, Work work) : n_bytes_(n_bytes), work_(std::move(work)) {}

  boost::asio::awaitable<std::invoke_result_t<Work>> run(Exchange& exchange, Offload& offload) {
    using Made = std::invoke_result_t<Work>;
    if (n_bytes_ < Offload::kLargeBytes) {
      co_return work_();
    }
    const auto is_gone = std::make_shared<std::atomic<bool>>(false);
    const std::function<void()> leave_out = [is_gone] { is_gone->store(true); };
    exchange.on_client_gone(leave_out);
    auto unless_gone = [is_gone, work = std::move(work_)]() mutable -> Made {
      if (is_gone->load()) {
        return refuse(from_finish(FinishReason::cancelled, FinishCause::none, {}));
      }
      return work();
    };
    Made made = co_await offload.run(n_bytes_, std::move(unless_gone));
    exchange.on_client_gone({});
    co_return std::move(made);
  }

 private:
  size_t n_bytes_;
  Work work_;
};

// `read(body)`, and what the body's JSON takes to be freed, on a worker where the body is large.
template <typename Call>
boost::asio::awaitable<Api<Call>> read_body(Exchange& exchange, ServerContext& context,
                                            Api<Call> (*read)(std::string_view)) {
  const std::string_view body = exchange.request().body;  // stays until the answer's end
  auto work = [read, body] { return read(body); };
  RequestWork reading(body.size(), std::move(work));
  Api<Call> call = co_await reading.run(exchange, context.offload);
  co_return std::move(call);
}

}  // namespace quern::server
