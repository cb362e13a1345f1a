// QUERN_CHECK: a programmer's bug stops the program with one line. Never for outside input.
#pragma once

namespace quern {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace quern

#define QUERN_CHECK(condition)                               \
  do {                                                       \
    if (!(condition)) [[unlikely]] {                         \
      ::quern::check_failed(#condition, __FILE__, __LINE__); \
    }                                                        \
  } while (false)
