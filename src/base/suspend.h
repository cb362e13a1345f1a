// Stopping this process as Ctrl-Z does, until the shell continues it.
#pragma once

namespace quern {

void suspend_process();

}  // namespace quern
