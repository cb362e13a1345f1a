#include "vocabulary.h"

#include <span>
#include <string>
#include <vector>

namespace quern::make_model {
namespace {

constexpr char32_t kFirst = U'!';  // of the 94 printable characters that stand for themselves
constexpr char32_t kLast = U'~';

constexpr int32_t kNormal = 1;  // tokenizer.ggml.token_type
constexpr int32_t kControl = 3;

std::string utf8(char32_t c) {
  if (c < 0x80) {
    return {static_cast<char>(c)};
  }
  return {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))};
}

// The character that stands for a byte in byte-level vocabularies (Radford et al. 2019): printable
// ones of Latin-1 for themselves, the others from U+0100 on in order.
std::vector<std::string> byte_characters() {
  std::vector<std::string> list;
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool is_shown =
        (byte >= kFirst && byte <= kLast) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    list.push_back(utf8(is_shown ? byte : next++));
  }
  return list;
}

struct Vocabulary {
  std::vector<std::string> tokens = byte_characters();
  std::vector<std::string> merges;

  // left + every printable character, while there is room.
  void extend(const std::string& left, size_t n_tokens) {
    for (char32_t c = kFirst; c <= kLast && tokens.size() < n_tokens; ++c) {
      tokens.push_back(left + utf8(c));
      merges.push_back(left + " " + utf8(c));
    }
  }
};

Vocabulary make(uint32_t vocab_size) {
  const size_t n_texts = vocab_size - 2;
  Vocabulary v;
  for (char32_t c = kFirst; c <= kLast; ++c) {
    v.extend(utf8(c), n_texts);
  }
  const size_t n_pairs = v.merges.size();
  for (size_t i = 0; i < n_pairs && v.tokens.size() < n_texts; ++i) {
    v.extend(std::string(v.tokens[256 + i]), n_texts);
  }
  if (v.merges.empty()) {
    v.merges.emplace_back("! !");  // readers want the list; a merge without a token never applies
  }
  v.tokens.emplace_back("<|begin|>");
  v.tokens.emplace_back("<|end|>");
  return v;
}

}  // namespace

Status add_vocabulary(GgufWriter& writer, uint32_t vocab_size) {
  const Vocabulary v = make(vocab_size);
  std::vector<int32_t> types(vocab_size, kNormal);
  types[vocab_size - 2] = types[vocab_size - 1] = kControl;
  QUERN_TRY(writer.add("tokenizer.ggml.model", MetaValue::string("gpt2")));
  QUERN_TRY(writer.add("tokenizer.ggml.pre", MetaValue::string("gpt-2")));
  QUERN_TRY(
      writer.add("tokenizer.ggml.tokens", MetaValue::strings({v.tokens.begin(), v.tokens.end()})));
  QUERN_TRY(writer.add("tokenizer.ggml.token_type",
                       MetaValue::numbers(MetaType::i32, std::as_bytes(std::span(types)))));
  QUERN_TRY(
      writer.add("tokenizer.ggml.merges", MetaValue::strings({v.merges.begin(), v.merges.end()})));
  QUERN_TRY(writer.add("tokenizer.ggml.bos_token_id", MetaValue::u32(vocab_size - 2)));
  return writer.add("tokenizer.ggml.eos_token_id", MetaValue::u32(vocab_size - 1));
}

}  // namespace quern::make_model
