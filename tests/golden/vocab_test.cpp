// Tokenization of the golden vocabularies: ids equal to llama.cpp's published vectors
// (golden/vocab, .inp and .out), to what llama.cpp v0.5.0 made of the prompts of two real models
// (reference.json), and back to the same bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "gguf/reader.h"
#include "model/tokenizer_from_card.h"
#include "support/golden.h"

namespace quern::test {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";

std::unique_ptr<const Tokenizer> load(const fs::path& path) {
  const auto card = read_model_card(path);
  if (!card) {
    ADD_FAILURE() << card.error().to_string();
    return nullptr;
  }
  auto tokenizer = make_tokenizer(*card, Log());
  if (!tokenizer) {
    ADD_FAILURE() << tokenizer.error().to_string();
    return nullptr;
  }
  return std::move(*tokenizer);
}

// The separator ends every text, so nothing stands after the last one.
std::vector<std::string> read_texts(const fs::path& path) {
  const std::string all = read_text(path);
  std::vector<std::string> texts;
  size_t begin = 0;
  for (size_t end = all.find(kSeparator); end != std::string::npos;
       end = all.find(kSeparator, begin)) {
    texts.push_back(all.substr(begin, end - begin));
    begin = end + kSeparator.size();
  }
  EXPECT_EQ(begin, all.size());
  return texts;
}

std::vector<std::vector<TokenId>> read_ids(const fs::path& path) {
  std::istringstream lines(read_text(path));
  std::vector<std::vector<TokenId>> all;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    std::vector<TokenId> ids;
    for (int32_t id = 0; numbers >> id;) {
      ids.push_back(TokenId{id});
    }
    all.push_back(std::move(ids));
  }
  return all;
}

std::vector<TokenId> to_ids(const nlohmann::json& numbers) {
  std::vector<TokenId> ids;
  for (const auto& number : numbers) {
    ids.push_back(TokenId{number.get<int32_t>()});
  }
  return ids;
}

class GoldenVocab : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenVocab, EncodesThePublishedTextsToThePublishedIdsAndBack) {
  const fs::path base = golden_dir() / "vocab" / GetParam();
  const fs::path model = base.string() + ".gguf";
  QUERN_NEED_GOLDEN(model);
  const auto tokenizer = load(model);
  ASSERT_NE(tokenizer, nullptr);
  const auto texts = read_texts(base.string() + ".inp");
  const auto wanted = read_ids(base.string() + ".out");
  ASSERT_EQ(texts.size(), wanted.size());
  ASSERT_GT(texts.size(), 40U);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto ids = tokenizer->encode(texts[i], {.add_special = false, .parse_special = false});
    ASSERT_TRUE(ids.has_value());
    EXPECT_EQ(*ids, wanted[i]) << "text " << i << ": '" << texts[i] << "'";
    if (tokenizer->kind() != TokenizerKind::wordpiece) {  // which drops spaces and case
      EXPECT_EQ(tokenizer->decode(*ids, {}), texts[i]) << "text " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, GoldenVocab,
                         ::testing::Values("bert-bge", "deepseek-coder", "deepseek-llm", "falcon",
                                           "gpt-2", "llama-bpe", "llama-spm", "mpt", "phi-3",
                                           "qwen2", "refact", "starcoder"),
                         [](const auto& param_info) {
                           std::string name = param_info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// reference.json: prompts with the ids that llama.cpp gave them, special text parsed.
void expect_reference(const Tokenizer& tokenizer, const fs::path& path) {
  const auto reference = read_json(path);
  ASSERT_FALSE(reference.empty());
  for (const auto& prompt : reference) {
    const auto text = prompt.at("prompt").get<std::string>();
    const auto ids = tokenizer.encode(text, {.add_special = true, .parse_special = true});
    ASSERT_TRUE(ids.has_value());
    EXPECT_EQ(*ids, to_ids(prompt.at("tokens"))) << text;
  }
}

TEST(GoldenModels, DemoModelEncodesTheReferencePromptsAsLlamaCppDoes) {
  const fs::path reference = golden_dir() / "smollm2" / "reference.json";
  QUERN_NEED_GOLDEN(reference);
  QUERN_NEED_GOLDEN(demo_model_path());
  const auto tokenizer = load(demo_model_path());
  ASSERT_NE(tokenizer, nullptr);
  expect_reference(*tokenizer, reference);
}

TEST(GoldenModels, Stories260kEncodesTheReferencePromptsAsLlamaCppDoes) {
  const fs::path folder = golden_dir() / "stories260k";
  QUERN_NEED_GOLDEN(folder / "reference.json");
  const auto tokenizer = load(folder / "stories260K.gguf");
  ASSERT_NE(tokenizer, nullptr);
  expect_reference(*tokenizer, folder / "reference.json");
}

// golden/vocab has no vectors for this vocabulary (XLM-RoBERTa's, with a normaliser map). Ids by
// llama.cpp v0.5.0: llama-tokenize --ids --no-bos --no-parse-special.
TEST(GoldenModels, UnigramEncodesAsLlamaCppDoes) {
  const fs::path model = golden_dir() / "vocab" / "nomic-bert-moe.gguf";
  QUERN_NEED_GOLDEN(model);
  const auto tokenizer = load(model);
  ASSERT_NE(tokenizer, nullptr);
  struct Case {
    std::string_view text;
    std::vector<int32_t> ids;
  };
  const std::vector<Case> cases = {
      {"Hello world", {35378, 8999}},
      {"  Hello   world  ", {35378, 8999}},
      {"\uFB01nd \u00BD of \u00C5 and \u2460", {7413, 78660, 111, 8839, 136, 106}},
      {"Gr\u00F6\u00DFe e\u0301 na\u00EFve", {66461, 393, 24, 9392, 272}},
      {"\u5317\u4EAC\u5927\u5B66\u306E\u5B66\u751F", {6, 8732, 4945, 154, 7252}},
      {"\u3000wide\u00A0spaces\t\n", {38134, 32628, 7}},
      {"unknown \U000F0000\U000F0001 chars", {51, 69723, 19, 6, 3, 21441, 7}},
      {"don't stop: 3.14%", {2301, 25, 18, 7279, 12, 45151, 11267}},
      {"\u0928\u092E\u0938\u094D\u0924\u0947 \u0926\u0941\u0928\u093F\u092F\u093E",
       {68700, 97883, 29405}},
  };
  for (const Case& c : cases) {
    const auto ids = tokenizer->encode(c.text, {.add_special = false, .parse_special = false});
    ASSERT_TRUE(ids.has_value());
    std::vector<int32_t> numbers;
    std::ranges::transform(*ids, std::back_inserter(numbers), [](TokenId id) { return value(id); });
    EXPECT_EQ(numbers, c.ids) << c.text;
  }
}

}  // namespace
}  // namespace quern::test
