#include "text/spm.h"

#include <algorithm>
#include <array>
#include <string>

#include "text/spm_merger.h"
#include "text/utf8.h"
#include "text/word_cache.h"

namespace quern {

namespace {

class SpmModel final : public WordModel {
 public:
  SpmModel(const VocabTable& tokens, SpmOptions options) : merges_(tokens), options_(options) {
    for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
      byte_ids_[byte] = id_of_byte(static_cast<uint8_t>(byte));
    }
  }

  void encode(std::string_view text, Context context, std::vector<TokenId>& out) const override {
    const Stretch stretch{.text = text, .context = context};
    encode_stretches(text, {&stretch, 1}, out);
  }
  void encode_stretches(std::string_view whole, std::span<const Stretch> stretches,
                        std::vector<TokenId>& out) const override;
  bool keeps_every_byte() const override {
    return std::ranges::find(byte_ids_, kNoToken) == byte_ids_.end();
  }

 private:
  struct Call {
    SpmMerger merger;
    WordCache cache;
    std::string escaped;
    std::vector<TokenId>& out;
  };

  TokenId id_of_byte(uint8_t byte) const;
  size_t word_end(std::string_view text, size_t begin) const;
  size_t space_at(std::string_view text, size_t at) const;
  void encode_stretch(const Stretch& stretch, Call& call) const;
  void encode_word(std::string_view word, bool prefix, Call& call) const;

  SpmMerges merges_;
  SpmOptions options_;
  std::array<TokenId, 256> byte_ids_{};
};

// A byte token, else a token whose text is the byte itself, else the unknown token.
TokenId SpmModel::id_of_byte(uint8_t byte) const {
  const TokenId token = merges_.tokens().byte_token(byte);
  if (token != kNoToken) {
    return token;
  }
  const char text = static_cast<char>(byte);
  const TokenId plain = merges_.tokens().find({&text, 1});
  return plain != kNoToken ? plain : options_.unk;
}

// Bytes of the space at `at` (a space that will be escaped, or a space mark), or 0.
size_t SpmModel::space_at(std::string_view text, size_t at) const {
  if (text[at] == ' ') {
    return options_.escape_whitespaces ? 1 : 0;
  }
  return text[at] == kSpaceMark[0] && text.substr(at).starts_with(kSpaceMark) ? kSpaceMark.size()
                                                                              : 0;
}

// Where the word that starts at `begin` ends: before the first space that no token can join to what
// stands before it. Merges never cross such a place, so words can be merged one by one.
size_t SpmModel::word_end(std::string_view text, size_t begin) const {
  size_t at = begin;
  while (at < text.size()) {
    size_t n_space = space_at(text, at);
    for (; n_space > 0; n_space = at < text.size() ? space_at(text, at) : 0) {
      at += n_space;
    }
    uint32_t last = 0;  // the character before the next space, its bytes as one number
    for (; at < text.size() && space_at(text, at) == 0; ++at) {
      last = SpaceJoiners::next(last, static_cast<uint8_t>(text[at]));
    }
    if (!merges_.joiners().joins(last)) {
      return at;
    }
  }
  return at;
}

void SpmModel::encode_word(std::string_view word, bool prefix, Call& call) const {
  call.escaped.clear();
  if (prefix) {
    call.escaped += options_.escape_whitespaces ? kSpaceMark : " ";
  }
  for (const char c : word) {
    if (c == ' ' && options_.escape_whitespaces) {
      call.escaped += kSpaceMark;
    } else {
      call.escaped.push_back(c);
    }
  }
  call.merger.merge(call.escaped, [&](const SpmMerger::Piece& piece) {
    if (piece.id >= 0) {
      call.out.push_back(TokenId{piece.id});
      return;
    }
    for (const char c : piece.text) {
      const TokenId id = byte_ids_[static_cast<uint8_t>(c)];
      if (id != kNoToken) {
        call.out.push_back(id);
      }
    }
  });
}

void SpmModel::encode_stretch(const Stretch& stretch, Call& call) const {
  const std::string_view text = stretch.text;
  bool prefix =
      options_.add_space_prefix && (stretch.context.at_text_start || stretch.context.after_special);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = word_end(text, begin);
    const std::string_view word = text.substr(begin, end - begin);
    if (prefix) {
      encode_word(word, true, call);
    } else if (!call.cache.reuse(word, call.out)) {
      const size_t n_before = call.out.size();
      encode_word(word, false, call);
      call.cache.add(word, n_before, call.out.size() - n_before);
    }
    prefix = false;
    begin = end;
  }
}

void SpmModel::encode_stretches(std::string_view whole, std::span<const Stretch> stretches,
                                std::vector<TokenId>& out) const {
  Call call{SpmMerger(merges_, whole.size()), WordCache(whole.size()), {}, out};
  for (const Stretch& stretch : stretches) {
    encode_stretch(stretch, call);
    if (stretch.next != kNoToken) {
      out.push_back(stretch.next);
    }
  }
}

}  // namespace

std::unique_ptr<const WordModel> make_spm_model(const VocabTable& tokens, SpmOptions options) {
  return std::make_unique<const SpmModel>(tokens, options);
}

}  // namespace quern
