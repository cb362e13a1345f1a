#include "base/suspend.h"

#include <csignal>

namespace quern {

void suspend_process() {
  std::raise(SIGTSTP);
}

}  // namespace quern
