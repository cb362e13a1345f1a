#include "base/system_info.h"

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

namespace quern {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;

// The first word of a file such as those below /sys/fs/cgroup; empty when there is none.
std::string first_word(const char* path) {
  std::ifstream in(path);
  std::string word;
  in >> word;
  return word;
}

uint64_t parse_or(const std::string& word, uint64_t fallback) {
  uint64_t n = 0;
  std::istringstream in(word);
  return (in >> n) ? n : fallback;
}

// cgroup v2 "max" or v1's huge number both mean no limit.
uint64_t cgroup_memory_left() {
  constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();
  const uint64_t limit =
      std::min(parse_or(first_word("/sys/fs/cgroup/memory.max"), kNone),
               parse_or(first_word("/sys/fs/cgroup/memory/memory.limit_in_bytes"), kNone));
  const uint64_t used =
      parse_or(first_word("/sys/fs/cgroup/memory.current"),
               parse_or(first_word("/sys/fs/cgroup/memory/memory.usage_in_bytes"), 0));
  return limit == kNone ? kNone : limit - std::min(limit, used);
}

// Value in bytes of a line "Name:  123 kB" in a /proc file; 0 when there is none.
uint64_t proc_kib_line(const char* path, const std::string& name) {
  std::ifstream in(path);
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with(name)) {
      return parse_or(line.substr(name.size()), 0) * 1024;
    }
  }
  return 0;
}

// Quota over period of the CPU controller, or a large number without one.
double cgroup_cores() {
  std::ifstream in("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (in >> quota >> period && quota != "max" && period > 0) {
    return static_cast<double>(parse_or(quota, 0)) / period;
  }
  return std::numeric_limits<double>::infinity();
}

int64_t clock_us(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * kMicrosPerSecond + now.tv_nsec / 1000;
}

}  // namespace

uint32_t available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int allowed = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    allowed = std::max(1, CPU_COUNT(&set));
  }
  const double quota = std::max(1.0, std::ceil(cgroup_cores()));
  return static_cast<uint32_t>(std::min(static_cast<double>(allowed), quota));
}

uint64_t available_memory_bytes() {
  return std::min(proc_kib_line("/proc/meminfo", "MemAvailable:"), cgroup_memory_left());
}

uint64_t peak_rss_bytes() {
  return proc_kib_line("/proc/self/status", "VmHWM:");
}

uint64_t current_rss_bytes() {
  return proc_kib_line("/proc/self/status", "VmRSS:");
}

int64_t monotonic_us() {
  return clock_us(CLOCK_MONOTONIC);
}

int64_t process_age_us() {
  // Field 22 of /proc/self/stat, counted after the parenthesised name, is the start in clock ticks.
  std::ifstream in("/proc/self/stat");
  std::string text;
  std::getline(in, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) {
    return 0;
  }
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) {
    fields >> skipped;
  }
  int64_t start_ticks = 0;
  fields >> start_ticks;
  const int64_t start_us = start_ticks * kMicrosPerSecond / sysconf(_SC_CLK_TCK);
  return std::max<int64_t>(0, clock_us(CLOCK_BOOTTIME) - start_us);
}

void return_free_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace quern
