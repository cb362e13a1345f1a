// MetaValue: one value of a file's metadata: a number, a bool, a string, or an array of any of
// these, arrays included. Immutable. Does not own text or numbers: they are views into the header
// that the ModelCard keeps, or into whatever the maker of the value passed in.
// Source: ggml's docs/gguf.md, "gguf_metadata_value_type".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace quern {

// The file's own numbers.
enum class MetaType : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};
inline constexpr uint32_t kMetaTypeCount = 13;

// "u32", "array", ...
std::string_view name(MetaType type);
// Bytes of one number or bool in the file; 0 for strings and arrays.
uint32_t meta_type_bytes(MetaType type);
bool is_integer(MetaType type);
bool is_float(MetaType type);

class MetaValue {
 public:
  MetaValue() = default;
  static MetaValue u8(uint8_t value) { return number(MetaType::u8, value); }
  static MetaValue u16(uint16_t value) { return number(MetaType::u16, value); }
  static MetaValue u32(uint32_t value) { return number(MetaType::u32, value); }
  static MetaValue u64(uint64_t value) { return number(MetaType::u64, value); }
  static MetaValue i8(int8_t value) { return number(MetaType::i8, value); }
  static MetaValue i16(int16_t value) { return number(MetaType::i16, value); }
  static MetaValue i32(int32_t value) { return number(MetaType::i32, value); }
  static MetaValue i64(int64_t value) { return number(MetaType::i64, value); }
  static MetaValue f32(float value) { return number(MetaType::f32, value); }
  static MetaValue f64(double value) { return number(MetaType::f64, value); }
  static MetaValue boolean(bool value) {
    return number(MetaType::boolean, static_cast<uint8_t>(value ? 1 : 0));
  }
  static MetaValue string(std::string_view value);
  // A number or bool from its little-endian bytes, meta_type_bytes(type) of them.
  static MetaValue scalar(MetaType type, const std::byte* bytes);
  // An array of numbers or bools from their little-endian bytes.
  static MetaValue numbers(MetaType element_type, ByteSpan bytes);
  static MetaValue strings(std::vector<std::string_view> values);
  // An array of arrays.
  static MetaValue arrays(std::vector<MetaValue> values);

  MetaType type() const { return type_; }
  bool is_array() const { return type_ == MetaType::array; }
  // Of an array.
  MetaType element_type() const { return element_type_; }
  uint64_t n_elements() const;

  // The bytes of a number or bool, in the low ones of 8.
  uint64_t bits() const;

  // The scalar where it has a fitting type: any integer type whose value fits; any number for f64.
  std::optional<uint64_t> as_u64() const;
  std::optional<int64_t> as_i64() const;
  std::optional<double> as_f64() const;
  std::optional<bool> as_bool() const;
  std::optional<std::string_view> as_string() const;

  // The array where its elements have a fitting type.
  std::optional<std::span<const std::string_view>> as_strings() const;
  std::optional<std::span<const MetaValue>> as_arrays() const;
  // Little-endian bytes of an array of numbers or bools.
  std::optional<ByteSpan> as_number_bytes() const;
  // Copies; floating-point arrays for f32s, integer and bool (0 or 1) arrays that fit for i64s.
  std::optional<std::vector<float>> as_f32s() const;
  std::optional<std::vector<int64_t>> as_i64s() const;
  // Element i of an array of numbers or bools, or of strings, as a scalar value.
  MetaValue element(uint64_t i) const;

  // "3", "true", "llama", "[u32 x 12]"; printable, at most about 60 characters of a string.
  std::string to_string() const;

  // Makes the views that pointed into `from` point to the same place in `to` (as many bytes).
  void rebase(ByteSpan from, ByteSpan to);

 private:
  template <typename T>
  static MetaValue number(MetaType type, T value) {
    MetaValue result;
    result.type_ = type;
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    result.data_ = bits;
    return result;
  }

  MetaType type_ = MetaType::u8;
  MetaType element_type_ = MetaType::u8;
  // Bits of a scalar | a string | numbers | strings | arrays.
  std::variant<uint64_t, std::string_view, ByteSpan, std::vector<std::string_view>,
               std::vector<MetaValue>>
      data_ = uint64_t{0};
};

struct MetaPair {
  std::string_view key;
  MetaValue value;
};

}  // namespace quern
