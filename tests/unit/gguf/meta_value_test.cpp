// Values of metadata: which numbers they hold. Expected values: the limits of C++'s own types.
#include "gguf/meta_value.h"

#include <gtest/gtest.h>

#include <limits>

namespace quern {
namespace {

template <typename T>
MetaValue limits_of(MetaType type) {
  static constexpr T kValues[] = {std::numeric_limits<T>::min(), 1, std::numeric_limits<T>::max()};
  return MetaValue::numbers(type, std::as_bytes(std::span(kValues)));
}

template <typename T>
std::vector<int64_t> limits() {
  return {std::numeric_limits<T>::min(), 1, std::numeric_limits<T>::max()};
}

TEST(MetaValue, ArraysOfEveryIntegerAreWidened) {
  EXPECT_EQ(limits_of<int8_t>(MetaType::i8).as_i64s(), limits<int8_t>());
  EXPECT_EQ(limits_of<uint8_t>(MetaType::u8).as_i64s(), limits<uint8_t>());
  EXPECT_EQ(limits_of<int16_t>(MetaType::i16).as_i64s(), limits<int16_t>());
  EXPECT_EQ(limits_of<uint16_t>(MetaType::u16).as_i64s(), limits<uint16_t>());
  EXPECT_EQ(limits_of<int32_t>(MetaType::i32).as_i64s(), limits<int32_t>());
  EXPECT_EQ(limits_of<uint32_t>(MetaType::u32).as_i64s(), limits<uint32_t>());
  EXPECT_EQ(limits_of<int64_t>(MetaType::i64).as_i64s(), limits<int64_t>());
}

TEST(MetaValue, AnArrayWithANumberBeyond63BitsHasNoIntegers) {
  EXPECT_EQ(limits_of<uint64_t>(MetaType::u64).as_i64s(), std::nullopt);
  static constexpr uint64_t kFit[] = {0, (uint64_t{1} << 63) - 1};
  EXPECT_EQ(MetaValue::numbers(MetaType::u64, std::as_bytes(std::span(kFit))).as_i64s(),
            (std::vector<int64_t>{0, std::numeric_limits<int64_t>::max()}));
}

TEST(MetaValue, ArraysOfDoublesAreRoundedToFloats) {
  static constexpr double kValues[] = {0.1, -2.5, 1e300};
  EXPECT_EQ(MetaValue::numbers(MetaType::f64, std::as_bytes(std::span(kValues))).as_f32s(),
            (std::vector<float>{0.1F, -2.5F, std::numeric_limits<float>::infinity()}));
}

TEST(MetaValue, AnyNumberIsADouble) {
  EXPECT_EQ(MetaValue::i8(-3).as_f64(), -3.0);
  EXPECT_EQ(MetaValue::u32(7).as_f64(), 7.0);
  EXPECT_EQ(MetaValue::u64(uint64_t{1} << 63).as_f64(), 9223372036854775808.0);
  EXPECT_EQ(MetaValue::boolean(true).as_f64(), std::nullopt);
}

TEST(MetaValue, IsPrintedAsPeopleWriteIt) {
  EXPECT_EQ(MetaValue::u64(std::numeric_limits<uint64_t>::max()).to_string(),
            "18446744073709551615");
  EXPECT_EQ(MetaValue::i16(-5).to_string(), "-5");
  EXPECT_EQ(MetaValue::f32(0.1F).to_string(), "0.1");
  EXPECT_EQ(MetaValue::f64(0.1).to_string(), "0.1");
  EXPECT_EQ(MetaValue::boolean(false).to_string(), "false");
  EXPECT_EQ(limits_of<uint32_t>(MetaType::u32).to_string(), "[u32 x 3]");
}

TEST(MetaValue, AScalarIsOneElement) {
  EXPECT_EQ(MetaValue::u8(9).n_elements(), 1U);
  EXPECT_EQ(MetaValue::strings({"a", "b"}).n_elements(), 2U);
  EXPECT_EQ(MetaValue::arrays({limits_of<int8_t>(MetaType::i8)}).n_elements(), 1U);
}

}  // namespace
}  // namespace quern
