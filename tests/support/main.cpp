#include <gtest/gtest.h>

namespace quern::test {
void install_golden_summary();
}

#ifdef __SANITIZE_THREAD__
// The signal handler that maps zeros over the pages of a file that was cut: the system swaps the
// page at once, but to the sanitizer it is a write, beside which others read the page.
extern "C" const char* __tsan_default_suppressions() {
  return "race:replace_by_zeros\n";
}
#endif

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  quern::test::install_golden_summary();
  return RUN_ALL_TESTS();
}
