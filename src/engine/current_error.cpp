#include "engine/current_error.h"

#include <exception>
#include <new>

namespace quern {

Error current_error(const char* where) {
  Error error{.kind = ErrorKind::device, .where = where, .what = "unknown fault", .expected = {}};
  try {
    throw;
  } catch (const std::bad_alloc&) {
    error.kind = ErrorKind::out_of_memory;
    error.what = "out of memory";
  } catch (const std::exception& exception) {
    error.what = exception.what();
  } catch (...) {
    error.expected = "an exception derived from std::exception";
  }
  return error;
}

}  // namespace quern
