// What Ctrl-C and a closed pipe do to this process. Signals belong to the whole process, so this is
// the one place with process-wide state. Programs install it; the library never does by itself.
#pragma once

namespace quern {

enum class OnInterrupt {
  exit,            // ends the process at once, with exit code 130
  flag,            // only sets interrupt_pending()
  flag_then_exit,  // sets it; a second one before clear_interrupt() ends the process
};

// From now on SIGINT does this. Calls that block (reading a terminal) go on after a flag was set.
void handle_interrupts(OnInterrupt mode);
bool interrupt_pending();
void clear_interrupt();

// Writing into a pipe that nobody reads fails with an error instead of ending the process.
void ignore_broken_pipes();

}  // namespace quern
