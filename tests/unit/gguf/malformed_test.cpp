// Files on which loaders are known to have died. Each must be refused with one clear line.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <functional>
#include <ostream>

#include "gguf/reader.h"
#include "gguf/validate.h"
#include "support/raw_gguf.h"

namespace quern {
namespace {

using test::RawGguf;
namespace wire = test::wire;

struct Malformed {
  std::string name;
  std::function<RawGguf()> build;
  std::string says;  // part of the message

  // NOLINTNEXTLINE(readability-identifier-naming): GoogleTest looks for this name
  friend void PrintTo(const Malformed& malformed, std::ostream* out) { *out << malformed.name; }
};

RawGguf with_architecture(uint64_t n_tensors, uint64_t n_more_pairs) {
  return RawGguf().header(n_tensors, 1 + n_more_pairs).text("general.architecture", "llama");
}

RawGguf with_tensor_head(std::string_view name, uint32_t n_dims) {
  return with_architecture(1, 0).string(name).put(n_dims);
}

// One tensor of the given innermost-first dimensions, type and offset, followed by 4 KiB of data.
RawGguf one_tensor(std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
  RawGguf file = with_tensor_head("t", static_cast<uint32_t>(dims.size()));
  for (const uint64_t dim : dims) {
    file.put(dim);
  }
  return file.put(type).put(offset).pad().zeros(4096);
}

RawGguf with_nested_arrays(size_t depth) {
  RawGguf file = with_architecture(0, 1).key("deep", wire::kArray);
  for (size_t i = 0; i < depth; ++i) {
    file.put(wire::kArray).put<uint64_t>(1);
  }
  return file.put(wire::kU8).put<uint64_t>(0);
}

// Two tokens, and whatever else follows.
RawGguf with_two_tokens(std::string_view second, uint64_t n_more_pairs) {
  return with_architecture(0, 1 + n_more_pairs)
      .array("tokenizer.ggml.tokens", wire::kString, 2)
      .string("a")
      .string(second);
}

RawGguf with_byte_token(std::string_view token) {
  return with_two_tokens(token, 1)
      .array("tokenizer.ggml.token_type", wire::kI32, 2)
      .put<int32_t>(1)
      .put<int32_t>(6);
}

RawGguf with_number(std::string_view suffix, uint32_t value) {
  return with_architecture(0, 1).scalar("llama." + std::string(suffix), wire::kU32, value);
}

RawGguf with_float(std::string_view suffix, float value) {
  return with_architecture(0, 1).scalar("llama." + std::string(suffix), wire::kF32, value);
}

constexpr uint64_t kHuge = 1ULL << 60;
constexpr uint32_t kF32Tensor = 0, kQ4KTensor = 12;

std::vector<Malformed> malformed_structures() {
  return {
      {"EmptyFile", [] { return RawGguf(); }, "the file ends in its magic"},
      {"FourByteFile", [] { return RawGguf().raw("GGUF"); }, "the file ends in its version"},
      {"WrongMagic", [] { return RawGguf().raw("GGML").zeros(64); }, "not a GGUF file"},
      {"UnprintableMagic", [] { return RawGguf().raw("\n\x1b[2").zeros(9); }, "'\\x0a\\x1b[2'"},
      {"Version0", [] { return RawGguf().header(0, 0, 0); }, "version 0"},
      {"Version1", [] { return RawGguf().header(0, 0, 1); }, "GGUF version 1; expected version 2"},
      {"Version4", [] { return RawGguf().header(0, 0, 4); }, "GGUF version 4"},
      {"BigEndian", [] { return RawGguf().header(0, 0, 0x03000000); }, "a big-endian file"},
      {"PairCountHuge", [] { return RawGguf().header(0, UINT64_MAX).zeros(64); },
       "18446744073709551615 metadata pairs"},
      {"TensorCountHuge", [] { return RawGguf().header(kHuge, 0).zeros(64); },
       "1152921504606846976 tensors"},
      {"TensorCountWraps", [] { return RawGguf().header(UINT64_MAX / 32 + 2, 0).zeros(64); },
       "tensors in 64 bytes"},
      {"KeyLengthMaximal",
       [] { return RawGguf().header(0, 1).put<uint64_t>(UINT64_MAX).zeros(64); },
       "the file ends in metadata key 0"},
      {"KeyEmpty", [] { return RawGguf().header(0, 1).scalar<uint8_t>("", wire::kU8, 1).zeros(9); },
       "metadata key 0 of 0 bytes"},
      {"KeyTooLong",
       [] { return RawGguf().header(0, 1).scalar<uint8_t>(std::string(65536, 'k'), wire::kU8, 1); },
       "of 65536 bytes"},
      {"StringLengthMaximal",
       [] { return with_architecture(0, 1).key("s", wire::kString).put<uint64_t>(UINT64_MAX); },
       "the value of key 's'"},
      {"StringLengthPastTheEnd",
       [] { return with_architecture(0, 1).key("s", wire::kString).put<uint64_t>(9).raw("short"); },
       "the value of key 's'"},
      {"ValueTypeUnknown", [] { return with_architecture(0, 1).key("k", 13).zeros(64); },
       "key 'k': unknown value type 13"},
      {"BoolNeither0Nor1",
       [] { return with_architecture(0, 1).scalar<uint8_t>("b", wire::kBool, 2); },
       "key 'b': bool 2"},
      {"BoolInArrayNeither0Nor1",
       [] { return with_architecture(0, 1).array("b", wire::kBool, 2).raw("\x01\x02"); },
       "key 'b': bool 2"},
      {"ArrayTypeUnknownWithHugeCount",
       [] { return with_architecture(0, 1).array("a", 99, kHuge).zeros(64); },
       "key 'a': unknown value type 99"},
      {"ArrayCountHuge",
       [] { return with_architecture(0, 1).array("a", wire::kU8, kHuge).zeros(64); },
       "an array of 1152921504606846976 x u8"},
      {"ArrayBytesWrap",
       [] { return with_architecture(0, 1).array("a", wire::kU64, UINT64_MAX / 8 + 2).zeros(64); },
       "key 'a': an array of"},
      {"ArrayOfStringsHuge",
       [] { return with_architecture(0, 1).array("a", wire::kString, UINT64_MAX / 16).zeros(64); },
       "key 'a': an array of"},
      {"ArrayOfArraysHuge",
       [] { return with_architecture(0, 1).array("a", wire::kArray, kHuge).zeros(64); },
       "key 'a': an array of"},
      {"ArrayOfStringsCutShort",
       [] { return with_architecture(0, 1).array("a", wire::kString, 2).string("x").put(kHuge); },
       "the value of key 'a'"},
      {"ArraysNested10000Deep", [] { return with_nested_arrays(10000); },
       "key 'deep': arrays nested more than 8 deep"},
      {"DuplicateKey",
       [] {
         return with_architecture(0, 2)
             .scalar<uint32_t>("k", wire::kU32, 1)
             .scalar<uint32_t>("k", wire::kU32, 1);
       },
       "duplicate key 'k'"},
      {"Alignment0",
       [] { return with_architecture(0, 1).scalar<uint32_t>("general.alignment", wire::kU32, 0); },
       "general.alignment is 0"},
      {"AlignmentHuge",
       [] {
         return with_architecture(0, 1).scalar<uint32_t>("general.alignment", wire::kU32,
                                                         0x80000000);
       },
       "general.alignment is 2147483648"},
      {"AlignmentNotAPowerOfTwo",
       [] { return with_architecture(0, 1).scalar<uint32_t>("general.alignment", wire::kU32, 24); },
       "general.alignment is 24"},
      {"AlignmentNotANumber",
       [] { return with_architecture(0, 1).text("general.alignment", "32"); },
       "general.alignment is 32"},
      {"TensorNameEmpty", [] { return with_tensor_head("", 1).zeros(64); }, "a name of 0 bytes"},
      {"TensorNameTooLong", [] { return with_tensor_head(std::string(65, 'n'), 1).zeros(64); },
       "a name of 65 bytes"},
      {"TensorNameLengthMaximal",
       [] { return with_architecture(1, 0).put<uint64_t>(UINT64_MAX).zeros(64); },
       "the description of tensor 0"},
      {"NDims255", [] { return with_tensor_head("t", 255).zeros(4096); },
       "tensor 't': 255 dimensions; expected at most 4"},
      {"NDims5", [] { return with_tensor_head("t", 5).zeros(4096); }, "5 dimensions"},
      {"DimensionZero", [] { return one_tensor({0}, kF32Tensor, 0); },
       "tensor 't': dimension 0 is 0"},
      {"SecondDimensionZero", [] { return one_tensor({4, 0}, kF32Tensor, 0); }, "dimension 1 is 0"},
      {"DimensionThatWraps",
       [] { return one_tensor({(1ULL << 42) + 1, 1ULL << 22}, kF32Tensor, 0); }, "is too large"},
      {"DimensionNegative", [] { return one_tensor({UINT64_MAX}, kF32Tensor, 0); }, "is too large"},
      {"BytesWrap", [] { return one_tensor({1ULL << 62}, kF32Tensor, 0); }, "overflows"},
      {"FourDimensionsWrapToZero",
       [] { return one_tensor({1ULL << 16, 1ULL << 16, 1ULL << 16, 1ULL << 16}, kF32Tensor, 0); },
       "is too large"},
      {"RowNotWholeBlocks", [] { return one_tensor({100}, kQ4KTensor, 0); },
       "rows of 100 elements in Q4_K; expected a multiple of 256"},
      {"TensorTypeUnknown", [] { return one_tensor({4}, 99, 0); }, "tensor 't': type 99"},
      {"TensorTypeRemoved", [] { return one_tensor({32}, 31, 0); },
       "Q4_0_4_4, removed from the format"},
      {"OffsetUnaligned", [] { return one_tensor({4}, kF32Tensor, 4); }, "offset 4 is not aligned"},
      {"OffsetWraps", [] { return one_tensor({4}, kF32Tensor, UINT64_MAX - 31); },
       "past the end of the file"},
      {"TensorPastTheEnd", [] { return one_tensor({1025}, kF32Tensor, 0); },
       "4100 bytes at offset 0 lie past the end"},
      {"OffsetPastTheEnd", [] { return one_tensor({4}, kF32Tensor, 4096); },
       "past the end of the file"},
      {"DuplicateTensor",
       [] { return with_architecture(2, 0).tensor("t", 8, 0).tensor("t", 8, 32).pad().zeros(64); },
       "duplicate tensor 't'"},
      {"TensorsOverlap",
       [] { return with_architecture(2, 0).tensor("a", 9, 0).tensor("b", 8, 32).pad().zeros(64); },
       "tensors 'a' and 'b' overlap"},
      {"TensorsAtOnePlace",
       [] { return with_architecture(2, 0).tensor("a", 8, 0).tensor("b", 8, 0).pad().zeros(64); },
       "overlap"},
  };
}

std::vector<Malformed> malformed_values() {
  return {
      {"NoArchitecture", [] { return RawGguf().header(0, 0); }, "no general.architecture"},
      {"ArchitectureNotAString",
       [] {
         return RawGguf().header(0, 1).scalar<uint32_t>("general.architecture", wire::kU32, 7);
       },
       "general.architecture is '7'"},
      {"ArchitectureUnprintable",
       [] { return RawGguf().header(0, 1).text("general.architecture", "a\nb"); }, "'a\\x0ab'"},
      {"BlockCount2To31", [] { return with_number("block_count", 1U << 31); },
       "llama.block_count is 2147483648 (u32); expected an integer from 1 to 1024"},
      {"BlockCountNotANumber",
       [] { return with_architecture(0, 1).text("llama.block_count", "32"); },
       "llama.block_count is 32 (string)"},
      {"BlockCountFloat", [] { return with_float("block_count", 32.0F); }, "llama.block_count"},
      {"HeadCount0", [] { return with_number("attention.head_count", 0); },
       "llama.attention.head_count is 0"},
      {"KvHeadCount0", [] { return with_number("attention.head_count_kv", 0); },
       "llama.attention.head_count_kv is 0"},
      {"KvHeadsDoNotDivide",
       [] {
         return with_architecture(0, 2)
             .scalar<uint32_t>("llama.attention.head_count", wire::kU32, 9)
             .scalar<uint32_t>("llama.attention.head_count_kv", wire::kU32, 4);
       },
       "9 heads and 4 key-value heads"},
      {"HeadsDoNotDivideTheWidth",
       [] {
         return with_architecture(0, 2)
             .scalar<uint32_t>("llama.attention.head_count", wire::kU32, 9)
             .scalar<uint32_t>("llama.embedding_length", wire::kU32, 64);
       },
       "9 heads do not divide llama.embedding_length 64"},
      {"HeadsPerLayerTooFew",
       [] {
         return with_architecture(0, 2)
             .scalar<uint32_t>("llama.block_count", wire::kU32, 3)
             .array("llama.attention.head_count", wire::kU32, 2)
             .put<uint32_t>(4)
             .put<uint32_t>(4);
       },
       "one value for each of 3 layers"},
      {"HeadsPerLayerNegative",
       [] {
         return with_architecture(0, 1)
             .array("llama.attention.head_count_kv", wire::kI32, 1)
             .put<int32_t>(-1);
       },
       "llama.attention.head_count_kv"},
      {"EpsZero", [] { return with_float("attention.layer_norm_rms_epsilon", 0.0F); },
       "llama.attention.layer_norm_rms_epsilon is 0"},
      {"EpsNegative", [] { return with_float("attention.layer_norm_epsilon", -1e-5F); },
       "llama.attention.layer_norm_epsilon is -1e-05"},
      {"EpsNaN",
       [] {
         return with_float("attention.layer_norm_rms_epsilon",
                           std::numeric_limits<float>::quiet_NaN());
       },
       "is nan"},
      {"EpsInfinite",
       [] {
         return with_float("attention.layer_norm_rms_epsilon",
                           std::numeric_limits<float>::infinity());
       },
       "is inf"},
      {"RopeBaseZero", [] { return with_float("rope.freq_base", 0.0F); }, "llama.rope.freq_base"},
      {"RopeDimensions0", [] { return with_number("rope.dimension_count", 0); },
       "llama.rope.dimension_count is 0 (u32)"},
      {"ContextBeyondWhatRuns", [] { return with_number("context_length", (1U << 26) + 1); },
       "an integer from 1 to 67108864"},
      {"HeadsBeyondWhatRuns", [] { return with_number("attention.key_length", 1026); },
       "an integer from 1 to 1024"},
      {"RopeDimensionsOdd", [] { return with_number("rope.dimension_count", 63); },
       "llama.rope.dimension_count is 63; expected an even number"},
      {"RopeDimensionsMoreThanAHead",
       [] {
         return with_architecture(0, 2)
             .scalar<uint32_t>("llama.attention.key_length", wire::kU32, 64)
             .scalar<uint32_t>("llama.rope.dimension_count", wire::kU32, 128);
       },
       "128 in heads of 64"},
      {"MoreExpertsUsedThanThere",
       [] {
         return with_architecture(0, 2)
             .scalar<uint32_t>("llama.expert_count", wire::kU32, 4)
             .scalar<uint32_t>("llama.expert_used_count", wire::kU32, 5);
       },
       "5 of 4 experts"},
      {"ContextLength0", [] { return with_number("context_length", 0); }, "llama.context_length"},
      {"TokensNotStrings",
       [] {
         return with_architecture(0, 1)
             .array("tokenizer.ggml.tokens", wire::kU32, 1)
             .put<uint32_t>(7);
       },
       "tokenizer.ggml.tokens is [u32 x 1]; expected an array of strings"},
      {"TokensEmpty",
       [] { return with_architecture(0, 1).array("tokenizer.ggml.tokens", wire::kString, 0); },
       "tokenizer.ggml.tokens is empty"},
      {"VocabSizeBelowTheTokens",
       [] { return with_two_tokens("b", 1).scalar<uint32_t>("llama.vocab_size", wire::kU32, 1); },
       "llama.vocab_size is 1 for 2 tokens; expected at least one for each token"},
      {"ScoresOfTheWrongType",
       [] {
         return with_two_tokens("b", 1)
             .array("tokenizer.ggml.scores", wire::kI32, 2)
             .put<uint64_t>(0);
       },
       "tokenizer.ggml.scores is [i32 x 2]; expected an array of f32"},
      {"ScoresOfTheWrongLength",
       [] {
         return with_two_tokens("b", 1)
             .array("tokenizer.ggml.scores", wire::kF32, 1)
             .put<uint32_t>(0);
       },
       "tokenizer.ggml.scores has 1 values for 2 tokens"},
      {"ScoresNaN",
       [] {
         return with_two_tokens("b", 1)
             .array("tokenizer.ggml.scores", wire::kF32, 2)
             .put(1.0F)
             .put(std::numeric_limits<float>::quiet_NaN());
       },
       "the score of token 1 is not a number"},
      {"ScoresNotAnArray",
       [] { return with_two_tokens("b", 1).scalar("tokenizer.ggml.scores", wire::kF32, 1.0F); },
       "tokenizer.ggml.scores is a f32"},
      {"TokenTypesOfTheWrongType",
       [] {
         return with_two_tokens("b", 1)
             .array("tokenizer.ggml.token_type", wire::kF32, 2)
             .put<uint64_t>(0);
       },
       "tokenizer.ggml.token_type is [f32 x 2]"},
      {"TokenTypesOfTheWrongLength",
       [] {
         return with_two_tokens("b", 1)
             .array("tokenizer.ggml.token_type", wire::kI32, 3)
             .put<uint64_t>(0)
             .put<uint32_t>(0);
       },
       "has 3 values for 2 tokens"},
      {"TokenTypeOutOfRange",
       [] {
         return with_two_tokens("b", 1)
             .array("tokenizer.ggml.token_type", wire::kI32, 2)
             .put<int32_t>(1)
             .put<int32_t>(7);
       },
       "token 1 has type 7"},
      {"ByteTokenNegative", [] { return with_byte_token("<0x-1>"); },
       "byte token 1 is '<0x-1>'; expected <0x00> to <0xFF>"},
      {"ByteTokenNotHex", [] { return with_byte_token("<0xZZ>"); }, "byte token 1 is '<0xZZ>'"},
      {"ByteTokenShort", [] { return with_byte_token("<0x1>"); }, "byte token 1 is '<0x1>'"},
      {"ByteTokenEmpty", [] { return with_byte_token(""); }, "byte token 1 is ''"},
      {"TokenIdOutOfRange",
       [] {
         return with_two_tokens("b", 1).scalar<uint32_t>("tokenizer.ggml.bos_token_id", wire::kU32,
                                                         2);
       },
       "tokenizer.ggml.bos_token_id is 2 (u32); expected an integer below 2"},
      {"TokenIdNegative",
       [] {
         return with_two_tokens("b", 1).scalar<int32_t>("tokenizer.ggml.eos_token_id", wire::kI32,
                                                        -2);
       },
       "tokenizer.ggml.eos_token_id is -2"},
      {"TokenIdNotANumber",
       [] { return with_two_tokens("b", 1).text("tokenizer.ggml.eos_token_id", "1"); },
       "tokenizer.ggml.eos_token_id is 1"},
      {"TokenIdInListOutOfRange",
       [] {
         return with_two_tokens("b", 1)
             .array("tokenizer.ggml.eog_token_ids", wire::kU32, 2)
             .put<uint32_t>(1)
             .put<uint32_t>(5);
       },
       "tokenizer.ggml.eog_token_ids is 5"},
      {"MergesNotStrings",
       [] { return with_two_tokens("b", 1).array("tokenizer.ggml.merges", wire::kU8, 0); },
       "tokenizer.ggml.merges"},
      {"AddBosNotABool",
       [] {
         return with_two_tokens("b", 1).scalar<uint32_t>("tokenizer.ggml.add_bos_token", wire::kU32,
                                                         1);
       },
       "tokenizer.ggml.add_bos_token is a u32; expected a bool"},
      {"ChatTemplateNotAString",
       [] {
         return with_architecture(0, 1).scalar<uint32_t>("tokenizer.chat_template", wire::kU32, 1);
       },
       "tokenizer.chat_template is 1"},
  };
}

long peak_rss_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

void expect_one_clear_line(const Error& error, const std::string& says) {
  const std::string line = error.to_string();
  EXPECT_TRUE(line.starts_with("[gguf] ")) << line;
  EXPECT_NE(line.find(says), std::string::npos) << line;
  EXPECT_FALSE(error.expected.empty()) << line;
  EXPECT_LT(line.size(), 300U) << line;
  for (const char c : line) {
    EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
  }
}

class MalformedStructure : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedStructure, IsRefusedWithOneClearLineAndLittleMemory) {
  const RawGguf file = GetParam().build();
  const long rss_before = peak_rss_kib();
  const auto card = parse_model_card(file.bytes(), file.bytes().size());
  ASSERT_FALSE(card.has_value());
  expect_one_clear_line(card.error(), GetParam().says);
  EXPECT_LT(peak_rss_kib() - rss_before, 8 * 1024);
}

INSTANTIATE_TEST_SUITE_P(Gguf, MalformedStructure, ::testing::ValuesIn(malformed_structures()),
                         [](const auto& param) { return param.param.name; });

class MalformedValue : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedValue, IsRefusedWithOneClearLine) {
  const RawGguf file = GetParam().build();
  const auto card = parse_model_card(file.bytes(), file.bytes().size());
  ASSERT_TRUE(card.has_value()) << card.error().to_string();
  const Status status = validate_card(*card);
  ASSERT_FALSE(status.has_value());
  expect_one_clear_line(status.error(), GetParam().says);
}

INSTANTIATE_TEST_SUITE_P(Gguf, MalformedValue, ::testing::ValuesIn(malformed_values()),
                         [](const auto& param) { return param.param.name; });

TEST(Malformed, VersionsAndByteOrdersAreUnsupportedRatherThanInvalid) {
  for (const uint32_t version : {1U, 4U, 0x03000000U, 0x02000000U}) {
    const RawGguf file = RawGguf().header(0, 0, version);
    EXPECT_EQ(parse_model_card(file.bytes(), 24).error().kind, ErrorKind::unsupported);
  }
}

}  // namespace
}  // namespace quern
