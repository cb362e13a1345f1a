#include <gtest/gtest.h>

namespace quern::test {
void install_golden_summary();
}

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  quern::test::install_golden_summary();
  return RUN_ALL_TESTS();
}
