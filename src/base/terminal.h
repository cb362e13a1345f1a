// Whether a person sits at the other end of a standard stream.
#pragma once

namespace quern {

enum class StandardStream { in, out, err };

bool is_terminal(StandardStream stream);

}  // namespace quern
