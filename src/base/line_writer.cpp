#include "base/line_writer.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <utility>

namespace quern {
namespace {

constexpr std::chrono::seconds kPatience{2};

// A pipe that nobody reads any more is an error of write(), not the program's end.
void block_sigpipe() {
  sigset_t signals{};
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

// What cannot be written (a pipe without a reader, a full disk) is lost: there is nobody to tell.
void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(descriptor, text.data(), text.size());
    if (n > 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      pollfd ready{.fd = descriptor, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
    } else if (n == 0 || errno != EINTR) {
      return;
    }
  }
}

}  // namespace

struct LineWriter::State {
  State(int to, std::function<std::string(uint64_t)> line)
      : descriptor(to), lost_line(std::move(line)) {}

  const int descriptor;
  const std::function<std::string(uint64_t)> lost_line;
  std::mutex mutex;
  std::condition_variable changed;
  std::string queued;
  uint64_t n_lost = 0;
  bool closing = false;
  bool done = false;

  void run() {
    block_sigpipe();
    std::string lines;
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return closing || !queued.empty(); });
      if (queued.empty() && n_lost == 0) {
        break;
      }
      lines.clear();
      std::swap(lines, queued);
      const uint64_t lost = std::exchange(n_lost, 0);
      lock.unlock();
      if (lost > 0) {
        lines += lost_line(lost) + '\n';
      }
      write_all(descriptor, lines);
      lock.lock();
    }
    done = true;
    changed.notify_all();
  }
};

LineWriter::LineWriter(int descriptor, std::function<std::string(uint64_t)> lost_line)
    : state_(std::make_shared<State>(descriptor, std::move(lost_line))),
      thread_([state = state_] { state->run(); }) {}

LineWriter::~LineWriter() {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->changed.notify_all();
  const bool is_done = state_->changed.wait_for(lock, kPatience, [this] { return state_->done; });
  lock.unlock();
  if (is_done) {
    thread_.join();
  } else {
    thread_.detach();  // it ends with the process
  }
}

void LineWriter::write(std::string line) {
  const std::lock_guard lock(state_->mutex);
  if (state_->queued.size() + line.size() >= kMaxQueuedBytes) {
    ++state_->n_lost;
    return;
  }
  state_->queued += line;
  state_->queued += '\n';
  state_->changed.notify_all();
}

}  // namespace quern
