#include "base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace quern {
namespace {

TEST(AlignedBuffer, IsZeroedAndFitsVectorLoads) {
  for (const Pages pages : {Pages::small, Pages::big}) {
    auto buffer = AlignedBuffer::allocate(uint64_t{4} << 20, pages);
    ASSERT_TRUE(buffer.has_value());
    ASSERT_EQ(buffer->size(), size_t{4} << 20);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % AlignedBuffer::kAlignment, 0U);
    const auto* words = buffer->as<uint64_t>();
    EXPECT_TRUE(std::all_of(words, words + buffer->size() / 8, [](uint64_t w) { return w == 0; }));
  }
}

TEST(AlignedBuffer, OfNothingHoldsNothing) {
  const auto buffer = AlignedBuffer::allocate(0);
  ASSERT_TRUE(buffer.has_value());
  EXPECT_EQ(buffer->size(), 0U);
  EXPECT_EQ(buffer->data(), nullptr);
}

// The user half of an x86-64 address space has 2^47 bytes.
TEST(AlignedBuffer, BeyondTheAddressSpaceIsAnErrorThatSaysHowMuch) {
  for (const uint64_t n_bytes : {uint64_t{1} << 47, UINT64_MAX}) {
    const auto buffer = AlignedBuffer::allocate(n_bytes);
    ASSERT_FALSE(buffer.has_value());
    EXPECT_EQ(buffer.error().kind, ErrorKind::out_of_memory);
    EXPECT_NE(buffer.error().what.find(std::to_string(n_bytes)), std::string::npos);
  }
}

TEST(AlignedBuffer, MovesItsMemory) {
  auto first = AlignedBuffer::allocate(64).value();
  std::byte* const memory = first.data();
  AlignedBuffer second = AlignedBuffer::allocate(128).value();
  second = std::move(first);
  EXPECT_EQ(second.data(), memory);
  EXPECT_EQ(second.size(), 64U);
  AlignedBuffer& same = second;
  second = std::move(same);
  EXPECT_EQ(second.data(), memory);
}

}  // namespace
}  // namespace quern
