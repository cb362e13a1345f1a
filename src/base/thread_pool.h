// ThreadPool: a fixed team that runs one function on every member, for kernels that last
// microseconds. Waiting members spin for a while and then sleep, so an idle pool costs nothing.
// run() may be called from one thread at a time. Owns its threads; the caller is member 0.
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
  // At least 1 thread; 1 means that everything runs in the caller.
  explicit ThreadPool(uint32_t n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t n_threads() const { return n_threads_; }

  // Calls task(member) on every member, member in [0, n_threads), and returns when all have.
  void run(FunctionRef<void(uint32_t)> task);

  // Inside run(): waits until every member has arrived. Every member must call it equally often.
  void barrier();

 private:
  void member_loop(uint32_t member);
  bool wait_for_work(uint64_t seen);

  const uint32_t n_threads_;
  const uint32_t n_spins_;  // 0 when the machine has fewer cores than members
  alignas(64) std::atomic<uint64_t> generation_{0};  // grows by one with each run()
  alignas(64) std::atomic<uint32_t> n_running_{0};
  alignas(64) std::atomic<uint32_t> barrier_arrived_{0};
  alignas(64) std::atomic<uint32_t> barrier_phase_{0};
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
