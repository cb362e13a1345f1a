// The loops behind percentages of the machine's peak, on every instruction set of this machine.
// What they promise (kernel_table.h): at least the amount asked for, told truthfully.
#include <gtest/gtest.h>

#include "base/aligned_buffer.h"
#include "kernels/kernel_table.h"
#include "support/matrix.h"

namespace quern {
namespace {

// No loop does more than this in one round.
constexpr uint64_t kMaxRoundOps = 4096;
constexpr size_t kMaxRoundBytes = 4096;

TEST(PeakLoops, ComputeWhatIsAskedForAndAtMostARoundMore) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const auto loop : {table->peak.int8_ops, table->peak.f32_ops}) {
      EXPECT_EQ(loop(0), 0U) << table->isa;
      for (const uint64_t n_ops : {uint64_t{1}, uint64_t{1000}, uint64_t{1'000'000}}) {
        const uint64_t n_done = loop(n_ops);
        EXPECT_GE(n_done, n_ops) << table->isa;
        EXPECT_LT(n_done, n_ops + kMaxRoundOps) << table->isa;
      }
    }
  }
}

TEST(PeakLoops, ReadABufferButForWhatFillsNoRound) {
  const auto buffer = AlignedBuffer::allocate(3 * kMaxRoundBytes + 100);
  ASSERT_TRUE(buffer.has_value());
  for (const KernelTable* table : test::runnable_tables()) {
    EXPECT_EQ(table->peak.read_bytes(buffer->data(), 0), 0U) << table->isa;
    EXPECT_EQ(table->peak.read_bytes(buffer->data(), 2 * kMaxRoundBytes), 2 * kMaxRoundBytes)
        << table->isa;
    const uint64_t n_read = table->peak.read_bytes(buffer->data(), buffer->size());
    EXPECT_LE(n_read, buffer->size()) << table->isa;
    EXPECT_GT(n_read + kMaxRoundBytes, buffer->size()) << table->isa;
  }
}

}  // namespace
}  // namespace quern
