// The mapping guard: the system ends a process by SIGBUS when it reads a page of a mapped file that
// was cut off by another program or cannot be read from disk. With the guard such pages read as
// zeros, and the mapping is poisoned, so that its owner can refuse what it read.
//
// Signals belong to the whole process, so this is state of the process: a fixed table of mappings
// that the handler reads without locks. Programs install the guard; the library never does by
// itself. Thread-safe; a forked child keeps guard and table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace quern {

// Mappings guarded at one time: many models, each of a split set of files.
inline constexpr size_t kMaxGuardedMappings = 4096;

// From now on SIGBUS inside a guarded mapping poisons it. Anywhere else, or sent by a process, it
// does what it does by default: it ends this one.
void install_mapping_guard();
bool mapping_guard_installed();

// One mapping's place in the guard's table, for as long as the object lives. The owner of the
// mapping must let it go before it unmaps. Thread-safe to read; move-only.
class GuardedMapping {
 public:
  // `bytes` start at a page. Fails with io when the table is full.
  static Result<GuardedMapping> create(ByteSpan bytes);

  GuardedMapping() = default;
  GuardedMapping(const GuardedMapping&) = delete;
  GuardedMapping& operator=(const GuardedMapping&) = delete;
  GuardedMapping(GuardedMapping&& other) noexcept;
  GuardedMapping& operator=(GuardedMapping&& other) noexcept;
  ~GuardedMapping();

  // Whether some of the bytes were lost, and read as zeros, since the mapping is guarded.
  bool is_poisoned() const;

 private:
  static constexpr size_t kNoSlot = kMaxGuardedMappings;
  explicit GuardedMapping(size_t slot) : slot_(slot) {}

  size_t slot_ = kNoSlot;
};

}  // namespace quern
