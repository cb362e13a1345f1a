#include "backend/cpu/cpu_memory.h"

namespace quern {
namespace {

class ProcessBlock final : public CpuBlock {
 public:
  explicit ProcessBlock(AlignedBuffer buffer) : buffer_(std::move(buffer)) {}
  std::byte* data() override { return buffer_.data(); }
  uint64_t n_bytes() const override { return buffer_.size(); }

 private:
  AlignedBuffer buffer_;
};

class ProcessMemory final : public CpuMemory {
 public:
  Result<std::unique_ptr<CpuBlock>> allocate(uint64_t n_bytes, Pages pages) override {
    QUERN_ASSIGN(AlignedBuffer buffer, AlignedBuffer::allocate(n_bytes, pages));
    return std::make_unique<ProcessBlock>(std::move(buffer));
  }
};

}  // namespace

std::unique_ptr<CpuMemory> make_process_memory() {
  return std::make_unique<ProcessMemory>();
}

}  // namespace quern
