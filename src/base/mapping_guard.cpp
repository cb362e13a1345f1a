#include "base/mapping_guard.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/check.h"

namespace quern {
namespace {

// Values of Slot::begin that are no address.
constexpr uintptr_t kFree = 0;
constexpr uintptr_t kClaimed = 1;  // being filled in

struct Slot {
  std::atomic<uintptr_t> begin{kFree};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> poisoned{false};
};

// A handler has no other way to reach the program than state of the process.
constinit std::array<Slot, kMaxGuardedMappings> g_slots{};
constinit std::atomic<bool> g_installed{false};
constinit std::atomic<uintptr_t> g_page_bytes{0};
static_assert(std::atomic<uintptr_t>::is_always_lock_free);
static_assert(std::atomic<bool>::is_always_lock_free);

uintptr_t page_bytes() {
  return static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
}

// The slot of a mapping that a thread is reading cannot change under the handler. Others can: a
// begin that is the same before and after shows that the end belongs to it.
Slot* find_slot(uintptr_t address) {
  for (Slot& slot : g_slots) {
    const uintptr_t begin = slot.begin.load();
    if (begin > kClaimed && begin <= address && address < slot.end.load() &&
        slot.begin.load() == begin) {
      return &slot;
    }
  }
  return nullptr;
}

// From the lost page to the mapping's end in one piece: the data is worthless now, and a page at a
// time would take a signal and a map entry for each page that a truncated file lost.
bool replace_by_zeros(uintptr_t address) {
  Slot* const slot = find_slot(address);
  if (slot == nullptr) {
    return false;
  }
  slot->poisoned.store(true);  // before anybody can read a zero
  const uintptr_t start = address - address % g_page_bytes.load();
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a signal tells an address, not an object.
  void* const target = reinterpret_cast<void*>(start);
  return ::mmap(target, slot->end.load() - start, PROT_READ,
                MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

// Async-signal-safe: lock-free atomics and system calls alone.
void on_bus_error(int signal, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  // Codes up to 0 are signals that a process sent, which carry no address.
  const bool is_fault = info->si_code > 0;
  if (!is_fault || !replace_by_zeros(reinterpret_cast<uintptr_t>(info->si_addr))) {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
    ::raise(signal);  // blocked until this handler returns
  }
  errno = saved_errno;
}

}  // namespace

void install_mapping_guard() {
  g_page_bytes.store(page_bytes());
  struct sigaction action{};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  QUERN_CHECK(sigaction(SIGBUS, &action, nullptr) == 0);
  g_installed.store(true);
}

bool mapping_guard_installed() {
  return g_installed.load();
}

Result<GuardedMapping> GuardedMapping::create(ByteSpan bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t page = page_bytes();
  QUERN_CHECK(!bytes.empty() && begin % page == 0);
  for (size_t i = 0; i < g_slots.size(); ++i) {
    Slot& slot = g_slots[i];
    uintptr_t expected = kFree;
    if (slot.begin.compare_exchange_strong(expected, kClaimed)) {
      slot.end.store(begin + (bytes.size() + page - 1) / page * page);
      slot.poisoned.store(false);
      slot.begin.store(begin);
      return GuardedMapping(i);
    }
  }
  return fail({.kind = ErrorKind::io,
               .where = "file",
               .what = fmt::format("{} files are mapped already", kMaxGuardedMappings),
               .expected = "fewer models, or models in fewer files, at one time"});
}

GuardedMapping::GuardedMapping(GuardedMapping&& other) noexcept
    : slot_(std::exchange(other.slot_, kNoSlot)) {}

GuardedMapping& GuardedMapping::operator=(GuardedMapping&& other) noexcept {
  GuardedMapping taken(std::move(other));
  std::swap(slot_, taken.slot_);
  return *this;
}

GuardedMapping::~GuardedMapping() {
  if (slot_ != kNoSlot) {
    g_slots[slot_].begin.store(kFree);
  }
}

bool GuardedMapping::is_poisoned() const {
  return slot_ != kNoSlot && g_slots[slot_].poisoned.load();
}

}  // namespace quern
