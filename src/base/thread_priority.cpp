#include "base/thread_priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace quern {

void lower_thread_priority() {
  constexpr int kNice = 10;  // a tenth of the default's weight in Linux's fair scheduler
  // On Linux the nice value belongs to the thread.
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  static_cast<void>(::setpriority(PRIO_PROCESS, thread, kNice));
}

}  // namespace quern
