// Binds the arguments of a native call to its parameters, as Python does.
#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/native.h"
#include "text/jinja/runtime.h"

namespace quern::jinja {

class Params {
 public:
  struct Signature {
    std::string_view function;
    std::initializer_list<std::string_view> names;
    size_t n_required = 0;
  };
  // Too many, missing, repeated and unknown arguments are errors.
  static Result<Params> bind(const Call& call, const Signature& signature);

  // Null when it was not given.
  const Value* get(size_t i) const { return values_[i]; }
  const Value& operator[](size_t i) const { return *values_[i]; }
  bool given(size_t i) const { return values_[i] != nullptr; }
  // Given and not none.
  bool some(size_t i) const { return given(i) && !values_[i]->is(Kind::none); }
  bool flag(size_t i, bool otherwise = false) const {
    return given(i) ? truthy(*values_[i]) : otherwise;
  }
  // Errors when it is of another type.
  Result<int64_t> integer(size_t i, int64_t otherwise = 0) const;
  Result<std::string_view> text(size_t i, std::string_view otherwise = {}) const;

 private:
  static constexpr size_t kMaxParameters = 8;
  std::array<const Value*, kMaxParameters> values_{};
};

}  // namespace quern::jinja
