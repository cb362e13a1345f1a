// Replaces operator new for the whole program, to count. For one file of a program only.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

// The analyser does not see that these replacements pair malloc with free.
// Nor does gcc once it has inlined one of the two only, hence noinline.
// NOLINTBEGIN(clang-analyzer-cplusplus.NewDelete)
namespace {
std::atomic<uint64_t> n_allocations{0};
}

[[gnu::noinline]] void* operator new(size_t n_bytes) {
  ++n_allocations;
  void* const memory = std::malloc(n_bytes);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}
// std::stable_sort takes its buffer by this one.
[[gnu::noinline]] void* operator new(size_t n_bytes, const std::nothrow_t& /*tag*/) noexcept {
  ++n_allocations;
  return std::malloc(n_bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
// NOLINTEND(clang-analyzer-cplusplus.NewDelete)
