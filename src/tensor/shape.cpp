#include "tensor/shape.h"

#include "base/check.h"
#include "base/checked.h"

namespace quern {

Shape::Shape(std::initializer_list<uint64_t> dims) {
  for (const uint64_t dim : dims) {
    push_back(dim);
  }
}

void Shape::push_back(uint64_t dim) {
  QUERN_CHECK(n_dims_ < kMaxDims);
  dims_[static_cast<size_t>(n_dims_++)] = dim;
}

std::optional<uint64_t> Shape::n_elements() const {
  std::optional<uint64_t> product = 1;
  for (int i = 0; i < n_dims_ && product; ++i) {
    product = checked_mul(*product, (*this)[i]);
  }
  return product;
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (int i = 0; i < n_dims_; ++i) {
    text += i == 0 ? "" : ", ";
    text += std::to_string((*this)[i]);
  }
  return text + "]";
}

}  // namespace quern
