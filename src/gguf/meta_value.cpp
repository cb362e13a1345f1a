#include "gguf/meta_value.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/check.h"
#include "text/printable.h"

namespace quern {
namespace {

struct TypeTraits {
  std::string_view name;
  uint32_t n_bytes;
};

// In the order of the enum.
constexpr std::array<TypeTraits, kMetaTypeCount> kTypes = {{
    {"u8", 1},
    {"i8", 1},
    {"u16", 2},
    {"i16", 2},
    {"u32", 4},
    {"i32", 4},
    {"f32", 4},
    {"bool", 1},
    {"string", 0},
    {"array", 0},
    {"u64", 8},
    {"i64", 8},
    {"f64", 8},
}};

const TypeTraits& type_traits(MetaType type) {
  const auto index = static_cast<size_t>(type);
  QUERN_CHECK(index < kTypes.size());
  return kTypes[index];
}

template <typename T>
T from_bits(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

bool is_signed(MetaType type) {
  return type == MetaType::i8 || type == MetaType::i16 || type == MetaType::i32 ||
         type == MetaType::i64;
}

int64_t sign_extended(MetaType type, uint64_t bits) {
  const uint32_t n_unused_bits = 64 - 8 * meta_type_bytes(type);
  return static_cast<int64_t>(bits << n_unused_bits) >> n_unused_bits;
}

// The numbers of an array; nullopt when one does not fit.
template <typename T>
std::optional<std::vector<int64_t>> widened(ByteSpan bytes) {
  std::vector<int64_t> values(bytes.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    const T value = load_le<T>(bytes.data() + i * sizeof(T));
    if (!std::in_range<int64_t>(value)) {
      return std::nullopt;
    }
    // NOLINTNEXTLINE(bugprone-signed-char-misuse): T is a number here, never a character
    values[i] = static_cast<int64_t>(value);
  }
  return values;
}

template <typename Span>
Span moved(Span view, ByteSpan from, ByteSpan to) {
  if (view.empty()) {
    return {};
  }
  using Element = std::remove_pointer_t<decltype(view.data())>;
  const auto offset = reinterpret_cast<const std::byte*>(view.data()) - from.data();
  return Span(reinterpret_cast<Element*>(to.data() + offset), view.size());
}

}  // namespace

std::string_view name(MetaType type) {
  return type_traits(type).name;
}

uint32_t meta_type_bytes(MetaType type) {
  return type_traits(type).n_bytes;
}

bool is_integer(MetaType type) {
  return meta_type_bytes(type) != 0 && !is_float(type) && type != MetaType::boolean;
}

bool is_float(MetaType type) {
  return type == MetaType::f32 || type == MetaType::f64;
}

MetaValue MetaValue::string(std::string_view value) {
  MetaValue result;
  result.type_ = MetaType::string;
  result.data_ = value;
  return result;
}

MetaValue MetaValue::scalar(MetaType type, const std::byte* bytes) {
  MetaValue result;
  result.type_ = type;
  uint64_t bits = 0;
  std::memcpy(&bits, bytes, meta_type_bytes(type));
  result.data_ = bits;
  return result;
}

MetaValue MetaValue::numbers(MetaType element_type, ByteSpan bytes) {
  QUERN_CHECK(meta_type_bytes(element_type) != 0 &&
              bytes.size() % meta_type_bytes(element_type) == 0);
  MetaValue result;
  result.type_ = MetaType::array;
  result.element_type_ = element_type;
  result.data_ = bytes;
  return result;
}

MetaValue MetaValue::strings(std::vector<std::string_view> values) {
  MetaValue result;
  result.type_ = MetaType::array;
  result.element_type_ = MetaType::string;
  result.data_ = std::move(values);
  return result;
}

MetaValue MetaValue::arrays(std::vector<MetaValue> values) {
  for (const MetaValue& value : values) {
    QUERN_CHECK(value.is_array());
  }
  MetaValue result;
  result.type_ = MetaType::array;
  result.element_type_ = MetaType::array;
  result.data_ = std::move(values);
  return result;
}

uint64_t MetaValue::n_elements() const {
  if (!is_array()) {
    return 1;
  }
  if (const auto* bytes = std::get_if<ByteSpan>(&data_)) {
    return bytes->size() / meta_type_bytes(element_type_);
  }
  if (const auto* strings = std::get_if<std::vector<std::string_view>>(&data_)) {
    return strings->size();
  }
  return std::get<std::vector<MetaValue>>(data_).size();
}

uint64_t MetaValue::bits() const {
  QUERN_CHECK(meta_type_bytes(type_) != 0);
  return std::get<uint64_t>(data_);
}

std::optional<uint64_t> MetaValue::as_u64() const {
  if (!is_integer(type_)) {
    return std::nullopt;
  }
  const uint64_t bits = std::get<uint64_t>(data_);
  if (!is_signed(type_)) {
    return bits;
  }
  const int64_t value = sign_extended(type_, bits);
  return value < 0 ? std::nullopt : std::optional(static_cast<uint64_t>(value));
}

std::optional<int64_t> MetaValue::as_i64() const {
  if (!is_integer(type_)) {
    return std::nullopt;
  }
  const uint64_t bits = std::get<uint64_t>(data_);
  if (is_signed(type_)) {
    return sign_extended(type_, bits);
  }
  return std::in_range<int64_t>(bits) ? std::optional(static_cast<int64_t>(bits)) : std::nullopt;
}

std::optional<double> MetaValue::as_f64() const {
  if (type_ == MetaType::f32) {
    return static_cast<double>(from_bits<float>(std::get<uint64_t>(data_)));
  }
  if (type_ == MetaType::f64) {
    return from_bits<double>(std::get<uint64_t>(data_));
  }
  if (const auto integer = as_i64()) {
    return static_cast<double>(*integer);
  }
  if (const auto integer = as_u64()) {
    return static_cast<double>(*integer);
  }
  return std::nullopt;
}

std::optional<bool> MetaValue::as_bool() const {
  if (type_ != MetaType::boolean) {
    return std::nullopt;
  }
  return std::get<uint64_t>(data_) != 0;
}

std::optional<std::string_view> MetaValue::as_string() const {
  if (type_ != MetaType::string) {
    return std::nullopt;
  }
  return std::get<std::string_view>(data_);
}

std::optional<std::span<const std::string_view>> MetaValue::as_strings() const {
  if (const auto* strings = std::get_if<std::vector<std::string_view>>(&data_)) {
    return *strings;
  }
  return std::nullopt;
}

std::optional<std::span<const MetaValue>> MetaValue::as_arrays() const {
  if (const auto* arrays = std::get_if<std::vector<MetaValue>>(&data_)) {
    return *arrays;
  }
  return std::nullopt;
}

std::optional<ByteSpan> MetaValue::as_number_bytes() const {
  if (const auto* bytes = std::get_if<ByteSpan>(&data_)) {
    return *bytes;
  }
  return std::nullopt;
}

std::optional<std::vector<float>> MetaValue::as_f32s() const {
  if (!is_array() || !is_float(element_type_)) {
    return std::nullopt;
  }
  const ByteSpan bytes = std::get<ByteSpan>(data_);
  std::vector<float> values(n_elements());
  if (element_type_ == MetaType::f32) {
    if (!values.empty()) {
      std::memcpy(values.data(), bytes.data(), bytes.size());
    }
    return values;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(load_le<double>(bytes.data() + i * sizeof(double)));
  }
  return values;
}

std::optional<std::vector<int64_t>> MetaValue::as_i64s() const {
  if (!is_array() || (!is_integer(element_type_) && element_type_ != MetaType::boolean)) {
    return std::nullopt;
  }
  const ByteSpan bytes = std::get<ByteSpan>(data_);
  switch (element_type_) {
    case MetaType::i8:
      return widened<int8_t>(bytes);
    case MetaType::u16:
      return widened<uint16_t>(bytes);
    case MetaType::i16:
      return widened<int16_t>(bytes);
    case MetaType::u32:
      return widened<uint32_t>(bytes);
    case MetaType::i32:
      return widened<int32_t>(bytes);
    case MetaType::u64:
      return widened<uint64_t>(bytes);
    case MetaType::i64:
      return widened<int64_t>(bytes);
    default:
      return widened<uint8_t>(bytes);
  }
}

MetaValue MetaValue::element(uint64_t i) const {
  QUERN_CHECK(is_array() && i < n_elements());
  if (const auto* bytes = std::get_if<ByteSpan>(&data_)) {
    return scalar(element_type_, bytes->data() + i * meta_type_bytes(element_type_));
  }
  if (const auto* strings = std::get_if<std::vector<std::string_view>>(&data_)) {
    return string((*strings)[i]);
  }
  return std::get<std::vector<MetaValue>>(data_)[i];
}

std::string MetaValue::to_string() const {
  if (is_array()) {
    return fmt::format("[{} x {}]", name(element_type_), n_elements());
  }
  if (const auto text = as_string()) {
    return printable(*text);
  }
  if (const auto flag = as_bool()) {
    return *flag ? "true" : "false";
  }
  if (const auto integer = as_i64()) {
    return fmt::format("{}", *integer);
  }
  if (const auto integer = as_u64()) {
    return fmt::format("{}", *integer);
  }
  return type_ == MetaType::f32 ? fmt::format("{}", from_bits<float>(std::get<uint64_t>(data_)))
                                : fmt::format("{}", *as_f64());
}

void MetaValue::rebase(ByteSpan from, ByteSpan to) {
  QUERN_CHECK(from.size() == to.size());
  if (auto* text = std::get_if<std::string_view>(&data_)) {
    *text = moved(*text, from, to);
  } else if (auto* bytes = std::get_if<ByteSpan>(&data_)) {
    *bytes = moved(*bytes, from, to);
  } else if (auto* strings = std::get_if<std::vector<std::string_view>>(&data_)) {
    for (std::string_view& string : *strings) {
      string = moved(string, from, to);
    }
  } else if (auto* arrays = std::get_if<std::vector<MetaValue>>(&data_)) {
    for (MetaValue& array : *arrays) {
      array.rebase(from, to);
    }
  }
}

}  // namespace quern
