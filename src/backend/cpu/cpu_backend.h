// The CPU backend: runs every op at once, on a team of threads, with the kernels of one instruction
// set.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "backend/cpu/cpu_memory.h"
#include "base/cpu_features.h"

namespace quern {

struct CpuBackendOptions {
  uint32_t n_threads = 0;  // 0: the cores that affinity and cgroup quota allow
  std::optional<std::string> isa =
      {};  // forces "scalar", "avx2", ...; else the best the machine has
  std::unique_ptr<CpuMemory> memory = {};  // null: plain memory
  // Weights are packed on the calling thread alone, so that they cost what that thread may cost.
  bool pack_on_caller = false;
};

// Fails with `usage` when the forced instruction set is unknown or the machine lacks it.
Result<std::unique_ptr<Backend>> make_cpu_backend(CpuBackendOptions options);

}  // namespace quern
