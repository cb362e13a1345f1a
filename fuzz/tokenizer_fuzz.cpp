// Tokenizers on any text, and vocabularies made of any bytes.
// First byte: even: a built-in vocabulary of the kind it names encodes the rest, and decoding gives
// the rest back; odd: the rest describes a vocabulary, which is refused or works.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace quern {
namespace {

constexpr TokenizerKind kKinds[] = {TokenizerKind::bpe, TokenizerKind::spm,
                                    TokenizerKind::wordpiece, TokenizerKind::unigram};

struct Words {
  std::vector<std::string> texts;
  std::vector<TokenType> types;
  std::vector<float> scores;

  void add(std::string text, TokenType type = TokenType::normal) {
    scores.push_back(-static_cast<float>(texts.size() % 7));
    texts.push_back(std::move(text));
    types.push_back(type);
  }
};

// GPT-2's printable character for a byte.
std::string mapped(int byte) {
  const bool printable =
      (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
  int code = byte;
  if (!printable) {
    code = byte <= 0x20 ? 0x100 + byte : byte == 0xAD ? 0x143 : 0x121 + byte - 0x7F;
  }
  if (code < 0x80) {
    return {static_cast<char>(code)};
  }
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

std::unique_ptr<const Tokenizer> make_built_in(TokenizerKind kind) {
  Words words;
  words.add("<unk>", TokenType::unknown);
  words.add("<s>", TokenType::control);
  words.add("</s>", TokenType::control);
  words.add("<user>", TokenType::user_defined);
  for (int byte = 0; byte < 256; ++byte) {
    if (kind == TokenizerKind::bpe) {
      words.add(mapped(byte));
    } else {
      words.add(fmt::format("<0x{:02X}>", byte), TokenType::byte);
    }
  }
  const std::string mark = "\u2581";  // SentencePiece's space
  const std::string gpt2_space = mapped(' ');
  const std::vector<std::string> merged =
      kind == TokenizerKind::bpe
          ? std::vector<std::string>{"aa", "ab", "aab", gpt2_space + "a", gpt2_space + gpt2_space}
          : std::vector<std::string>{
                "a", "b", "aa", "ab", "aab", mark, mark + "a", mark + mark, "b" + mark + "b"};
  for (const std::string& text : merged) {
    words.add(text);
  }
  VocabSpec spec;
  spec.kind = kind;
  spec.pre = "gpt-2";
  spec.tokens.assign(words.texts.begin(), words.texts.end());
  spec.types = words.types;
  spec.scores = words.scores;
  const std::string space_a = gpt2_space + " a";
  const std::string space_space = gpt2_space + " " + gpt2_space;
  spec.merges = {"a a", "a b", "a ab", space_a, space_space};
  spec.special.unk = TokenId{0};
  spec.special.eos = TokenId{2};
  auto made = Tokenizer::create(spec, Log());
  QUERN_CHECK(made.has_value());
  return std::move(*made);
}

const Tokenizer& built_in(uint8_t which) {
  static const std::unique_ptr<const Tokenizer> all[] = {
      make_built_in(kKinds[0]), make_built_in(kKinds[1]), make_built_in(kKinds[2]),
      make_built_in(kKinds[3])};
  return *all[which % 4];
}

void check_round_trip(const Tokenizer& tokenizer, std::string_view text, bool parse_special) {
  const auto ids = tokenizer.encode(text, {.add_special = false, .parse_special = parse_special});
  QUERN_CHECK(ids.has_value());
  // WordPiece drops spaces and case by design. A U+2581 in the text is a space to SentencePiece.
  const bool exact = tokenizer.kind() == TokenizerKind::bpe ||
                     (tokenizer.kind() != TokenizerKind::wordpiece &&
                      text.find("\xE2\x96\x81") == std::string_view::npos);
  if (exact) {
    QUERN_CHECK(tokenizer.decode(*ids, {}) == text);
  }
}

// However the text is cut into tokens, what is shown is the same and valid to the end.
void check_detokenizer(const Tokenizer& tokenizer, std::string_view text) {
  const std::string stop(text.substr(0, text.size() % 5));
  Detokenizer detokenizer(tokenizer, {.stop = {stop, "ab"}});
  const auto ids = tokenizer.encode(text, {});
  for (const TokenId id : *ids) {
    detokenizer.push(id);
  }
  detokenizer.flush();
}

// Takes little pieces of the input.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}
  uint8_t byte() {
    if (rest_.empty()) {
      return 0;
    }
    const auto first = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return first;
  }
  std::string_view text(size_t n) {
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::optional<TokenId> optional_id(Input& input) {
  const uint8_t byte = input.byte();
  return byte < 128 ? std::nullopt : std::optional(TokenId{byte - 130});
}

void try_vocabulary(Input input) {
  VocabSpec spec;
  spec.kind = kKinds[input.byte() % 4];
  spec.allow_unknown_pre = true;
  const uint8_t flags = input.byte();
  spec.add_space_prefix = (flags & 1) != 0;
  spec.remove_extra_whitespaces = (flags & 2) != 0;
  spec.add_bos = (flags & 4) != 0;
  spec.special.bos = optional_id(input);
  spec.special.unk = optional_id(input);
  spec.special.eos = optional_id(input);
  for (uint8_t n = input.byte(); n > 0 && !input.empty(); --n) {
    const uint8_t shape = input.byte();
    spec.tokens.push_back(input.text(shape % 16));
    spec.types.push_back(static_cast<TokenType>((shape >> 4) % 7));
    spec.scores.push_back(-static_cast<float>(shape));
  }
  for (uint8_t n = input.byte() % 16; n > 0 && !input.empty(); --n) {
    spec.merges.push_back(input.text(input.byte() % 16));
  }
  const std::string_view map = input.text(size_t{4} * input.byte());
  for (const char c : map) {
    spec.precompiled_charsmap.push_back(static_cast<std::byte>(c));
  }
  const auto tokenizer = Tokenizer::create(spec, Log());
  if (!tokenizer) {
    QUERN_CHECK(!tokenizer.error().to_string().contains('\n'));
    return;
  }
  const auto ids = (*tokenizer)->encode(input.rest(), {.add_special = true});
  QUERN_CHECK(ids.has_value());
  for (const TokenId id : *ids) {
    QUERN_CHECK(value(id) >= 0 && static_cast<uint32_t>(value(id)) < (*tokenizer)->vocab_size());
  }
  (*tokenizer)->decode(*ids, {});
  check_detokenizer(**tokenizer, input.rest());
}

}  // namespace
}  // namespace quern

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n_bytes) {
  quern::Input input({reinterpret_cast<const char*>(data), n_bytes});
  const uint8_t first = input.byte();
  if (first % 2 != 0) {
    quern::try_vocabulary(input);
    return 0;
  }
  const quern::Tokenizer& tokenizer = quern::built_in(static_cast<uint8_t>(first / 2));
  quern::check_round_trip(tokenizer, input.rest(), (first & 8) != 0);
  quern::check_detokenizer(tokenizer, input.rest());
  return 0;
}
