// Memory of the CPU backend: small weight matrices share mappings, and nobody may notice.
#include "backend/cpu/cpu_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

namespace quern {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
// Below and above what is shared, odd and even, more than one shared mapping in sum.
constexpr uint64_t kSizes[] = {
    1,         63,        64,       65, 500'000, 20 * kMiB, 15 * kMiB, 7 * kMiB, 15 * kMiB - 1,
    16 * kMiB, 15 * kMiB, 15 * kMiB};

std::vector<std::unique_ptr<CpuBlock>> allocate_all(CpuMemory& memory) {
  std::vector<std::unique_ptr<CpuBlock>> blocks;
  for (const uint64_t n_bytes : kSizes) {
    auto block = memory.allocate(n_bytes, Pages::big);
    if (!block) {
      ADD_FAILURE() << "no memory for " << n_bytes;
      return {};
    }
    blocks.push_back(std::move(*block));
  }
  return blocks;
}

bool holds_only(CpuBlock& block, std::byte value) {
  return std::ranges::all_of(std::span(block.data(), block.n_bytes()),
                             [value](std::byte b) { return b == value; });
}

TEST(ProcessMemory, BlocksAreAlignedZeroAndOfTheSizeThatWasAskedFor) {
  const auto memory = make_process_memory();
  const auto blocks = allocate_all(*memory);
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(blocks[i]->n_bytes(), kSizes[i]);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks[i]->data()) % AlignedBuffer::kAlignment, 0U);
    EXPECT_TRUE(holds_only(*blocks[i], std::byte{0})) << kSizes[i];
  }
}

TEST(ProcessMemory, ABlockKeepsItsBytesWhenOthersAreWrittenAndFreed) {
  const auto memory = make_process_memory();
  auto blocks = allocate_all(*memory);
  for (size_t i = 0; i < blocks.size(); ++i) {
    std::memset(blocks[i]->data(), static_cast<int>(i + 1), blocks[i]->n_bytes());
  }
  for (size_t i = 0; i < blocks.size(); i += 2) {
    blocks[i].reset();
  }
  for (size_t i = 1; i < blocks.size(); i += 2) {
    EXPECT_TRUE(holds_only(*blocks[i], static_cast<std::byte>(i + 1))) << kSizes[i];
  }
}

TEST(ProcessMemory, RefusesMoreThanAnAddressSpace) {
  const auto memory = make_process_memory();
  const auto block = memory->allocate(uint64_t{1} << 60, Pages::big);
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().kind, ErrorKind::out_of_memory);
}

}  // namespace
}  // namespace quern
