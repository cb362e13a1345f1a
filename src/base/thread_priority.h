// How much of a busy machine the calling thread asks for.
#pragma once

namespace quern {

// From now on the calling thread, and every thread that it starts, gives way to the others of this
// process: about a tenth of a core that they also want. There is no way back; a system that refuses
// leaves it as it was.
void lower_thread_priority();

}  // namespace quern
