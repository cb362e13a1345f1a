#include "text/wordpiece.h"

#include <utf8proc.h>

#include <array>
#include <string>
#include <utility>

#include "text/byte_trie.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace quern {

namespace {

// Hangul syllables give three characters, the longest canonical decompositions four.
constexpr size_t kMaxDecomposed = 8;

enum class Role : uint8_t { letter, space, drop, alone };

// The blocks that BERT's reference calls Chinese characters: each is a word of its own.
bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

Role role_in_ascii(char32_t c) {
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
    return Role::space;
  }
  if (c < ' ' || c == 0x7F) {
    return Role::drop;
  }
  const bool is_digit = c >= '0' && c <= '9';
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return is_digit || is_letter ? Role::letter : Role::alone;
}

Role role_of(char32_t c) {
  if (c < 0x80) {
    return role_in_ascii(c);
  }
  if (c == kReplacementCharacter) {
    return Role::drop;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return Role::space;
    case UTF8PROC_CATEGORY_CC:  // NEL too: the reference's white space is Z and tab, LF, CR
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
      return Role::drop;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return Role::alone;
    default:
      return is_cjk(c) ? Role::alone : Role::letter;
  }
}

class WordPieceModel final : public WordModel {
 public:
  WordPieceModel(ByteTrie tokens, WordPieceOptions options)
      : tokens_(std::move(tokens)), options_(options) {}

  void encode(std::string_view text, Context context, std::vector<TokenId>& out) const override;

 private:
  // The word being collected, with its word mark, and where its ids go.
  struct Call {
    std::string word = std::string(kSpaceMark);
    std::vector<TokenId>& out;
  };

  void add(char32_t c, Call& call) const;
  void add_stripped(char32_t c, Call& call) const;
  void add_clean(char32_t c, Call& call) const;
  void end_word(Call& call) const;

  ByteTrie tokens_;
  WordPieceOptions options_;
};

void WordPieceModel::end_word(Call& call) const {
  if (call.word.size() == kSpaceMark.size()) {
    return;
  }
  const size_t n_before = call.out.size();
  std::string_view rest = call.word;
  while (!rest.empty()) {
    const ByteTrie::Match match = tokens_.longest_prefix(rest);
    if (match.n_bytes == 0) {
      call.out.resize(n_before);
      if (options_.unk != kNoToken) {
        call.out.push_back(options_.unk);
      }
      break;
    }
    call.out.push_back(TokenId{match.value});
    rest.remove_prefix(match.n_bytes);
  }
  call.word.resize(kSpaceMark.size());
}

// `c` is decomposed and free of accents.
void WordPieceModel::add_clean(char32_t c, Call& call) const {
  const bool alone = role_of(c) == Role::alone;
  if (alone) {
    end_word(call);
  }
  if (options_.lowercase) {
    c = c < 0x80 ? c + (c >= 'A' && c <= 'Z' ? 32 : 0)
                 : static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  }
  append_utf8(static_cast<uint32_t>(c), call.word);
  if (alone) {
    end_word(call);
  }
}

void WordPieceModel::add_stripped(char32_t c, Call& call) const {
  std::array<utf8proc_int32_t, kMaxDecomposed> parts{};
  int last_boundclass = 0;
  const utf8proc_ssize_t n =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), kMaxDecomposed,
                              UTF8PROC_DECOMPOSE, &last_boundclass);
  for (size_t i = 0; std::cmp_less(i, n) && i < kMaxDecomposed; ++i) {
    if (utf8proc_category(parts[i]) != UTF8PROC_CATEGORY_MN) {
      add_clean(static_cast<char32_t>(parts[i]), call);
    }
  }
}

void WordPieceModel::add(char32_t c, Call& call) const {
  switch (role_of(c)) {
    case Role::space:
      end_word(call);
      break;
    case Role::drop:
      break;
    default:
      if (options_.strip_accents && c >= 0x80) {
        add_stripped(c, call);
      } else {
        add_clean(c, call);
      }
  }
}

void WordPieceModel::encode(std::string_view text, Context /*context*/,
                            std::vector<TokenId>& out) const {
  Call call{.out = out};
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    add(c.code, call);
    text.remove_prefix(c.n_bytes);
  }
  end_word(call);
}

bool may_match(TokenType type) {
  return type != TokenType::control && type != TokenType::unknown && type != TokenType::byte;
}

}  // namespace

Result<std::unique_ptr<const WordModel>> make_wordpiece_model(const VocabTable& tokens,
                                                              WordPieceOptions options) {
  ByteTrie trie;
  for (int32_t i = 0; i < static_cast<int32_t>(tokens.size()); ++i) {
    const TokenId id{i};
    if (may_match(tokens.type(id)) && !trie.insert(tokens.text(id), i)) {
      return fail({.where = "tokenizer",
                   .what = "the token texts are too long together for WordPiece",
                   .expected = "fewer than 2^24 distinct prefixes"});
    }
  }
  return std::make_unique<const WordPieceModel>(std::move(trie), options);
}

}  // namespace quern
