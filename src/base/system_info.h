// What the operating system grants this process: cores, memory, and how much of it is in use.
#pragma once

#include <cstdint>

namespace quern {

// Cores that affinity and the cgroup's CPU quota allow; at least 1.
uint32_t available_cores();

// Bytes that can still be allocated without swapping, cgroup limit respected.
uint64_t available_memory_bytes();

// Largest and current resident set of this process, in bytes.
uint64_t peak_rss_bytes();
uint64_t current_rss_bytes();

// Gives memory that was freed back to the system, as far as the allocator kept it. Takes
// milliseconds.
void return_free_memory();

// Microseconds since an arbitrary point; never goes back.
int64_t monotonic_us();
// Microseconds since this process was started by the system.
int64_t process_age_us();

}  // namespace quern
