// CpuMemory: where a CPU backend's objects live. A test replaces it by one whose pages cannot be
// touched outside the backend's ops, which shows that nothing above backend.h looks inside an
// object. Not thread-safe. Blocks must not outlive their memory.
#pragma once

#include <cstdint>
#include <memory>

#include "base/aligned_buffer.h"
#include "base/result.h"

namespace quern {

class CpuBlock {
 public:
  virtual ~CpuBlock() = default;
  virtual std::byte* data() = 0;
  virtual uint64_t n_bytes() const = 0;
};

class CpuMemory {
 public:
  virtual ~CpuMemory() = default;
  // Zeroed, 64-byte aligned; physical pages are taken when first touched.
  virtual Result<std::unique_ptr<CpuBlock>> allocate(uint64_t n_bytes, Pages pages) = 0;
  // Around every op that touches blocks.
  virtual void open() {}
  virtual void close() {}
};

// Plain memory of the process.
std::unique_ptr<CpuMemory> make_process_memory();

}  // namespace quern
