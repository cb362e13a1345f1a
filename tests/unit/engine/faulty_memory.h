// Plain CPU memory whose next ops can be made to throw: an allocation that fails in the middle of a
// step.
#pragma once

#include <atomic>
#include <memory>
#include <new>

#include "backend/cpu/cpu_memory.h"

namespace quern::test {

class FaultyMemory final : public CpuMemory {
 public:
  explicit FaultyMemory(std::atomic<int>& n_faults) : n_faults_(n_faults) {}

  Result<std::unique_ptr<CpuBlock>> allocate(uint64_t n_bytes, Pages pages) override {
    return plain_->allocate(n_bytes, pages);
  }
  void open() override {
    if (n_faults_.load() > 0) {
      --n_faults_;
      throw std::bad_alloc();
    }
  }

 private:
  std::atomic<int>& n_faults_;  // ops that still have to fail
  std::unique_ptr<CpuMemory> plain_ = make_process_memory();
};

}  // namespace quern::test
