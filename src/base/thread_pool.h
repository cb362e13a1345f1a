// ThreadPool: a fixed team that shares the parts of one function, for kernels that last
// microseconds. Waiting members spin for a while and then sleep, so an idle pool costs nothing.
// run() may be called from one thread at a time. Owns its threads; the caller works too.
//
// A part is taken by whoever is there, not kept for one member: a member that the system does not
// let run (another program has its core) holds nobody up, since the others take its parts. Only a
// part that was begun is waited for. So a function has no barrier inside; what needs one is two
// runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace quern {

// A non-owning reference to a callable; the callable must outlive the call it is passed to.
template <typename Signature>
class FunctionRef;

template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  // Implicit, so that a call reads as passing the lambda itself.
  template <typename F>
  FunctionRef(const F& function)
      : object_(&function), call_([](const void* object, Args... args) -> R {
          return (*static_cast<const F*>(object))(args...);
        }) {}
  R operator()(Args... args) const { return call_(object_, args...); }

 private:
  const void* object_;
  R (*call_)(const void*, Args...);
};

class ThreadPool {
 public:
  // At least 1 thread; 1 means that everything runs in the caller. Throws std::system_error when
  // the system has no thread left to give.
  explicit ThreadPool(uint32_t n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t n_threads() const { return n_threads_; }

  // Calls task(part) once for every part in [0, n_threads), in any order and by any member, and
  // returns when all are done. What one part writes another must not read.
  void run(FunctionRef<void(uint32_t)> task);

 private:
  void stop();
  void member_loop();
  bool wait_for_work(uint64_t seen);
  bool take_part(uint32_t& part);
  void work();

  const uint32_t n_threads_;
  const uint32_t n_spins_;  // 0 when the machine has fewer cores than members
  alignas(64) std::atomic<uint64_t> generation_{0};  // grows by one with each run()
  // The next part of the current run in the lower half, the run's number in the upper one: who is
  // late for one run cannot take a part of it in the next one's name.
  alignas(64) std::atomic<uint64_t> next_part_;
  alignas(64) std::atomic<uint32_t> n_left_{0};  // parts that are not done
  std::atomic<uint32_t> n_sleeping_{0};
  std::atomic<bool> stopping_{false};
  const FunctionRef<void(uint32_t)>* task_ = nullptr;
  std::vector<std::thread> threads_;
};

// The part of n items that `member` of `n_members` takes: [begin, end), sizes differing by at most
// one.
struct Slice {
  uint32_t begin = 0;
  uint32_t end = 0;
};
constexpr Slice slice_of(uint32_t n, uint32_t member, uint32_t n_members) {
  const auto cut = [&](uint32_t m) { return static_cast<uint32_t>(uint64_t{n} * m / n_members); };
  return {cut(member), cut(member + 1)};
}

}  // namespace quern
