// Shape: row-major dimensions, outermost first. GGUF's reversed order is flipped once, in gguf/.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

namespace quern {

inline constexpr int kMaxDims = 4;

class Shape {
 public:
  Shape() = default;
  // At most kMaxDims dimensions.
  Shape(std::initializer_list<uint64_t> dims);

  int n_dims() const { return n_dims_; }
  uint64_t operator[](int i) const { return dims_[static_cast<size_t>(i)]; }
  uint64_t back() const { return n_dims_ == 0 ? 1 : dims_[static_cast<size_t>(n_dims_ - 1)]; }
  void push_back(uint64_t dim);

  // Product of all dimensions; nullopt on overflow.
  std::optional<uint64_t> n_elements() const;
  // "[4096, 1024]"
  std::string to_string() const;

  bool operator==(const Shape& other) const = default;

 private:
  std::array<uint64_t, kMaxDims> dims_{};
  int n_dims_ = 0;
};

}  // namespace quern
