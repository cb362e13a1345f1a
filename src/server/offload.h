// Offload: a worker thread for computations too long for the io thread: templates and tokenizers on
// long conversations.
// run() is called from coroutines of the server's io thread, which resume there. Owns the thread.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/check.h"
#include "server/inbox.h"

namespace quern::server {

class Offload {
 public:
  Offload() : pool_(1) {}
  ~Offload() { stop(); }

  // The result of `work()`, or what it throws. `work` may refer to the calling coroutine, which
  // waits: the server stops the worker before it drops coroutines.
  template <typename Work>
  boost::asio::awaitable<std::invoke_result_t<Work>> run(Work work) {
    using Done = Outcome<std::invoke_result_t<Work>>;
    const auto executor = co_await boost::asio::this_coro::executor;
    const auto box = std::make_shared<Inbox<Done>>(executor);
    const typename Inbox<Done>::Guard guard(box);
    boost::asio::post(pool_, [box, job = std::move(work)]() mutable { box->push(finish(job)); });
    std::optional<Done> done = co_await box->next();
    QUERN_CHECK(done.has_value());  // without a deadline there is always an outcome in the end
    if (done->failure) {
      std::rethrow_exception(done->failure);
    }
    co_return std::move(*done->value);
  }

  // What is queued is dropped, what runs is waited for.
  void stop() {
    pool_.stop();
    pool_.join();
  }

 private:
  template <typename T>
  struct Outcome {
    std::optional<T> value;
    std::exception_ptr failure;
  };

  template <typename Work>
  static Outcome<std::invoke_result_t<Work>> finish(Work& work) {
    Outcome<std::invoke_result_t<Work>> outcome;
    try {
      outcome.value = work();
    } catch (...) {
      outcome.failure = std::current_exception();
    }
    return outcome;
  }

  boost::asio::thread_pool pool_;
};

}  // namespace quern::server
