#include "progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/system_info.h"
#include "base/terminal.h"

namespace quern::app {
namespace {

// What is over sooner than this needs no bar, and a bar that flickers tells nothing.
constexpr int64_t kFirstDrawUs = 250'000;
constexpr int64_t kRedrawUs = 50'000;
constexpr uint64_t kBarWidth = 24;

}  // namespace

Progress::Progress(std::string label)
    : label_(std::move(label)),
      enabled_(is_terminal(StandardStream::err)),
      next_us_(monotonic_us() + kFirstDrawUs) {}

void Progress::update(uint64_t done, uint64_t total, const std::string& note) {
  if (!enabled_ || total == 0 || monotonic_us() < next_us_) {
    return;
  }
  next_us_ = monotonic_us() + kRedrawUs;
  drawn_ = true;
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<uint64_t>(share * static_cast<double>(kBarWidth));
  fmt::print(stderr, "\r\x1b[K{} [{:=<{}}{:<{}}] {:3.0f}% {}", label_, "", filled, "",
             kBarWidth - filled, share * 100, note);
  std::fflush(stderr);
}

void Progress::finish() {
  if (drawn_) {
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
    drawn_ = false;
  }
}

}  // namespace quern::app
