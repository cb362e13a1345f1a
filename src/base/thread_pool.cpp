#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <string>
#include <system_error>

#include "base/system_info.h"

namespace quern {
namespace {

// About 50 microseconds of pauses: longer than the gap between two ops of a step, shorter than
// anyone notices.
constexpr uint32_t kSpins = 4000;
// When spinning alone has not helped, the core may be needed by the very thread that is waited for.
constexpr uint32_t kPausesPerYield = 64;

void pause_core() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Spins until done() holds, giving the core away now and then.
template <typename Done>
void spin_until(bool may_spin, Done done) {
  uint32_t n_pauses = 0;
  while (!done()) {
    if (!may_spin || ++n_pauses > kSpins) {
      std::this_thread::yield();
    } else {
      pause_core();
    }
  }
}

}  // namespace

ThreadPool::ThreadPool(uint32_t n_threads)
    : n_threads_(std::max(1U, n_threads)),
      n_spins_(n_threads_ <= available_cores() ? kSpins : 0),
      next_part_(n_threads_) {
  threads_.reserve(n_threads_ - 1);
  for (uint32_t member = 1; member < n_threads_; ++member) {
    try {
      threads_.emplace_back([this] { member_loop(); });
    } catch (const std::system_error& error) {
      stop();  // a thread that is destroyed while it runs ends the program
      throw std::system_error(error.code(), "thread " + std::to_string(member + 1) + " of " +
                                                std::to_string(n_threads_) +
                                                " cannot be started; expected fewer (--threads)");
    }
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  stopping_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void ThreadPool::run(FunctionRef<void(uint32_t)> task) {
  if (n_threads_ == 1) {
    task(0);
    return;
  }
  // No part is taken now, so nobody reads these two.
  task_ = &task;
  n_left_.store(n_threads_, std::memory_order_relaxed);
  const uint64_t run = generation_.load(std::memory_order_relaxed) + 1;
  next_part_.store(run << 32U, std::memory_order_release);
  generation_.fetch_add(
      1);  // sequentially consistent: ordered against n_sleeping_ in wait_for_work
  if (n_sleeping_.load() > 0) {
    generation_.notify_all();
  }
  work();
  spin_until(n_spins_ > 0, [this] { return n_left_.load(std::memory_order_acquire) == 0; });
}

bool ThreadPool::take_part(uint32_t& part) {
  uint64_t next = next_part_.load(std::memory_order_acquire);
  while (static_cast<uint32_t>(next) < n_threads_) {
    if (next_part_.compare_exchange_weak(next, next + 1, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
      part = static_cast<uint32_t>(next);
      return true;
    }
  }
  return false;
}

void ThreadPool::work() {
  uint32_t part = 0;
  while (take_part(part)) {
    (*task_)(part);
    n_left_.fetch_sub(1, std::memory_order_release);
  }
}

// Returns false when the pool is stopping.
bool ThreadPool::wait_for_work(uint64_t seen) {
  for (uint32_t spin = 0; spin < n_spins_ && generation_.load(std::memory_order_acquire) == seen;
       ++spin) {
    pause_core();
    if (spin % kPausesPerYield == kPausesPerYield - 1) {
      std::this_thread::yield();
    }
  }
  if (generation_.load(std::memory_order_acquire) == seen) {
    n_sleeping_.fetch_add(1);
    generation_.wait(seen);
    n_sleeping_.fetch_sub(1);
  }
  return !stopping_.load();
}

void ThreadPool::member_loop() {
  uint64_t seen = 0;
  while (wait_for_work(seen)) {
    seen = generation_.load(std::memory_order_acquire);  // runs that others did alone are over
    work();
  }
}

}  // namespace quern
