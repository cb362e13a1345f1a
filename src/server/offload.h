// Offload: worker threads for what is too long for the io thread: reading large bodies, templates
// and tokenizers on long texts, writing large answers. They give way to the engine's threads, which
// otherwise would wait for them in every step.
// run() is called from coroutines of the server's io thread, which resume there; n_waiting() from
// any thread. Owns the threads.
#pragma once

#include <atomic>
#include <cstddef>
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
#include "base/system_info.h"
#include "base/thread_priority.h"
#include "server/inbox.h"

namespace quern::server {

class Offload {
 public:
  // Larger bodies and answers are read and written on a worker: JSON of this size takes the io
  // thread less than a millisecond.
  static constexpr size_t kLargeBytes = size_t{64} << 10;
  // Work on more than this, which may take seconds, has workers of its own, so that what is short
  // does not wait behind it.
  static constexpr size_t kBulkBytes = size_t{1} << 20;
  static constexpr size_t kShortWorkers = 1;
  static constexpr size_t kBulkWorkers = 2;  // so that one client's body does not hold up another's

  Offload() : short_(kShortWorkers), bulk_(kBulkWorkers) {}
  ~Offload() { stop(); }
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  // The result of `work()`, which goes through so many bytes, or what it throws. `work` may refer
  // to the calling coroutine, which waits: the server stops the workers before it drops coroutines.
  template <typename Work>
  boost::asio::awaitable<std::invoke_result_t<Work>> run(size_t n_bytes, Work work) {
    using Done = Outcome<std::invoke_result_t<Work>>;
    const auto executor = co_await boost::asio::this_coro::executor;
    const auto box = std::make_shared<Inbox<Done>>(executor);
    const typename Inbox<Done>::Guard guard(box);
    ++n_waiting_;
    const bool is_bulk = n_bytes > kBulkBytes;
    boost::asio::post(
        is_bulk ? bulk_ : short_, [this, box, is_bulk, job = std::move(work)]() mutable {
          give_way();
          --n_waiting_;
          box->push(finish(std::move(job)));
          if (is_bulk) {
            return_free_memory();  // a large body's JSON is gone; the allocator would keep its room
          }
        });
    std::optional<Done> done = co_await box->next();
    QUERN_CHECK(done.has_value());  // without a deadline there is always an outcome in the end
    if (done->failure) {
      std::rethrow_exception(done->failure);
    }
    co_return std::move(*done->value);
  }

  // Pieces of work that no worker has begun.
  size_t n_waiting() const { return n_waiting_.load(); }

  // What is queued is dropped, what runs is waited for.
  void stop() {
    short_.stop();
    bulk_.stop();
    short_.join();
    bulk_.join();
  }

 private:
  template <typename T>
  struct Outcome {
    std::optional<T> value;
    std::exception_ptr failure;
  };

  // By value: what the work holds, perhaps many pieces of memory, is freed on the worker too.
  template <typename Work>
  static Outcome<std::invoke_result_t<Work>> finish(Work work) {
    Outcome<std::invoke_result_t<Work>> outcome;
    try {
      outcome.value = work();
    } catch (...) {
      outcome.failure = std::current_exception();
    }
    return outcome;
  }

  static void give_way() {
    thread_local bool is_lowered = false;
    if (!is_lowered) {
      lower_thread_priority();
      is_lowered = true;
    }
  }

  std::atomic<size_t> n_waiting_{0};
  boost::asio::thread_pool short_;
  boost::asio::thread_pool bulk_;
};

}  // namespace quern::server
