#include "text/jinja/params.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "text/jinja/print.h"

namespace quern::jinja {

Result<Params> Params::bind(const Call& call, const Signature& signature) {
  QUERN_CHECK(signature.names.size() <= kMaxParameters);
  const std::string function(signature.function);
  Params params;
  const auto& positional = call.args.positional;
  if (positional.size() > signature.names.size()) {
    return raise(function + "() takes at most " + std::to_string(signature.names.size()) +
                 " arguments (" + std::to_string(positional.size()) + " given)");
  }
  for (size_t i = 0; i < positional.size(); ++i) {
    params.values_[i] = &positional[i];
  }
  for (const auto& [name, value] : call.args.named) {
    const auto* it = std::find(signature.names.begin(), signature.names.end(), name);
    if (it == signature.names.end()) {
      return raise(
          fmt::format("{}() got an unexpected keyword argument {}", function, short_repr(name)));
    }
    const auto i = static_cast<size_t>(it - signature.names.begin());
    if (params.values_[i] != nullptr) {
      return raise(fmt::format("{}() got multiple values for argument '{}'", function, name));
    }
    params.values_[i] = &value;
  }
  for (size_t i = 0; i < signature.n_required; ++i) {
    if (params.values_[i] == nullptr) {
      return raise(function + "() missing required argument '" +
                   std::string(signature.names.begin()[i]) + "'");
    }
  }
  return params;
}

Result<int64_t> Params::integer(size_t i, int64_t otherwise) const {
  if (!given(i)) {
    return otherwise;
  }
  const Value& value = *values_[i];
  if (value.is(Kind::undefined)) {
    return raise_undefined(value);
  }
  if (!value.is_integral()) {
    return raise("'" + std::string(type_name(value)) +
                 "' object cannot be interpreted as an integer");
  }
  return value.as_integer();
}

Result<std::string_view> Params::text(size_t i, std::string_view otherwise) const {
  if (!given(i)) {
    return otherwise;
  }
  const Value& value = *values_[i];
  if (value.is(Kind::undefined)) {
    return raise_undefined(value);
  }
  if (!value.is(Kind::string)) {
    return raise("must be str, not " + std::string(type_name(value)));
  }
  return value.text();
}

}  // namespace quern::jinja
