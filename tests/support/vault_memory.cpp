#include "support/vault_memory.h"

#include <sys/mman.h>

#include <set>

namespace quern::test {
namespace {

class VaultMemory;

class VaultBlock final : public CpuBlock {
 public:
  VaultBlock(VaultMemory& vault, std::byte* data, uint64_t n_bytes);
  ~VaultBlock() override;
  std::byte* data() override { return data_; }
  uint64_t n_bytes() const override { return n_bytes_; }
  void protect(int protection) { ::mprotect(data_, n_bytes_, protection); }

 private:
  VaultMemory& vault_;
  std::byte* data_;
  uint64_t n_bytes_;
};

class VaultMemory final : public CpuMemory {
 public:
  Result<std::unique_ptr<CpuBlock>> allocate(uint64_t n_bytes, Pages /*pages*/) override {
    void* pages = ::mmap(nullptr, n_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
      return fail({.kind = ErrorKind::out_of_memory,
                   .where = "vault",
                   .what = "mmap failed",
                   .expected = {}});
    }
    return std::make_unique<VaultBlock>(*this, static_cast<std::byte*>(pages), n_bytes);
  }
  void open() override {
    if (depth_++ == 0) {
      protect(PROT_READ | PROT_WRITE);
    }
  }
  void close() override {
    if (--depth_ == 0) {
      protect(PROT_NONE);
    }
  }

  std::set<VaultBlock*> blocks;

 private:
  void protect(int protection) {
    for (VaultBlock* block : blocks) {
      block->protect(protection);
    }
  }
  int depth_ = 0;
};

VaultBlock::VaultBlock(VaultMemory& vault, std::byte* data, uint64_t n_bytes)
    : vault_(vault), data_(data), n_bytes_(n_bytes) {
  vault_.blocks.insert(this);
}

VaultBlock::~VaultBlock() {
  vault_.blocks.erase(this);
  ::munmap(data_, n_bytes_);
}

}  // namespace

std::unique_ptr<CpuMemory> make_vault_memory() {
  return std::make_unique<VaultMemory>();
}

}  // namespace quern::test
