#include "text/jinja/attribute_path.h"

#include "text/jinja/literals.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_ops.h"

namespace quern::jinja {

Result<AttributePath> AttributePath::parse(Runtime& runtime, const Value* attribute,
                                           const Value* otherwise) {
  AttributePath path;
  if (otherwise != nullptr) {
    path.otherwise_ = *otherwise;
  }
  if (attribute == nullptr || attribute->is(Kind::none)) {
    return path;
  }
  if (!attribute->is(Kind::string)) {
    path.parts_.push_back(*attribute);
    return path;
  }
  QUERN_ASSIGN(const Parts parts, split_text(runtime, attribute->text(), {.separator = "."}));
  for (const std::string_view part : parts) {
    const bool index =
        !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    if (index) {
      QUERN_ASSIGN(const std::optional<int64_t> number, parse_integer(part, 10));
      path.parts_.push_back(Value::integer(number.value_or(0)));
    } else {
      QUERN_ASSIGN(Value name, runtime.text(part));
      path.parts_.push_back(std::move(name));
    }
  }
  return path;
}

Result<Value> AttributePath::get(Runtime& runtime, const Value& item) const {
  Value value = item;
  for (const Value& part : parts_) {
    QUERN_TRY(runtime.step());
    QUERN_ASSIGN(value, get_item(runtime, value, part));
    if (otherwise_ && value.is(Kind::undefined)) {
      value = *otherwise_;
    }
  }
  return value;
}

}  // namespace quern::jinja
