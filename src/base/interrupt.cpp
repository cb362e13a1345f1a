#include "base/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "base/check.h"

namespace quern {
namespace {

constexpr int kInterruptedExitCode = 130;  // 128 + SIGINT, as shells count

// A handler has no other way to reach the program than state of the process.
std::atomic<OnInterrupt> g_mode{OnInterrupt::exit};
std::atomic<bool> g_pending{false};
static_assert(std::atomic<OnInterrupt>::is_always_lock_free);
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int /*signal*/) {
  const OnInterrupt mode = g_mode.load();
  const bool again = g_pending.exchange(true);
  if (mode == OnInterrupt::exit || (mode == OnInterrupt::flag_then_exit && again)) {
    _exit(kInterruptedExitCode);
  }
}

}  // namespace

void handle_interrupts(OnInterrupt mode) {
  g_mode.store(mode);
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  QUERN_CHECK(sigaction(SIGINT, &action, nullptr) == 0);
}

bool interrupt_pending() {
  return g_pending.load();
}

void clear_interrupt() {
  g_pending.store(false);
}

void ignore_broken_pipes() {
  struct sigaction action{};
  action.sa_handler = SIG_IGN;
  sigemptyset(&action.sa_mask);
  QUERN_CHECK(sigaction(SIGPIPE, &action, nullptr) == 0);
}

}  // namespace quern
