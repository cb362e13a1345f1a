#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace quern {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "quern: [bug] %s:%d: check failed: %s; please report this\n", file, line,
               condition);
  std::abort();
}

}  // namespace quern
