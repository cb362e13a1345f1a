// What an exception was, as an error of the request or step that threw it. Only inside a catch
// block.
#pragma once

#include <string>

#include "base/result.h"

namespace quern {

// bad_alloc is out_of_memory, everything else device: this program's own failure, not the
// request's. Allocates as little as it can: `what` of bad_alloc is short enough for the string
// itself.
Error current_error(const char* where);

}  // namespace quern
