#include "text/unigram.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "text/byte_trie.h"
#include "text/charsmap.h"
#include "text/space_joiners.h"
#include "text/utf8.h"

namespace quern {

namespace {

constexpr double kUnknownPenalty = 10.0;  // below the worst score; SentencePiece's constant
// A "word" without any space is cut here, so that a hostile map that makes text longer cannot take
// memory without bound.
constexpr size_t kMaxUncutBytes = 1U << 24;

struct Rules {
  bool prefix = false;
  bool merge_spaces = false;
  std::string_view space;
  bool byte_fallback = false;
  TokenId unk = kNoToken;
  double unk_score = 0;
};

struct Vocabulary {
  ByteTrie trie;
  std::vector<float> scores;
  SpaceJoiners joiners;
  const VocabTable* tokens = nullptr;
};

// One encode call: collects normalised words and cuts each as soon as it is complete.
class UnigramCall {
 public:
  UnigramCall(const Vocabulary& vocabulary, const Rules& rules, std::vector<TokenId>& out)
      : vocabulary_(vocabulary), rules_(rules), out_(out), n_before_(out.size()) {}

  // One byte of normalised text.
  void add(char c) {
    if (c == ' ') {
      in_word_ = false;
      if (!rules_.merge_spaces) {
        add_space();
      }
      return;
    }
    if (!in_word_) {
      in_word_ = true;
      if (rules_.merge_spaces || (rules_.prefix && !prefixed_)) {
        prefixed_ = true;
        add_space();
      }
    }
    word_.push_back(c);
    last_ = SpaceJoiners::next(last_, static_cast<uint8_t>(c));
    ends_in_space_ = false;
  }
  // Between two characters of the input.
  void may_cut() {
    if (word_.size() > kMaxUncutBytes) {
      end_word();
    }
  }
  void end_word();

 private:
  struct Best {
    double score = std::numeric_limits<double>::lowest();
    uint32_t begin = 0;
    int32_t id = -1;  // -1: unknown
  };

  void add_space() {
    if (!ends_in_space_ && !word_.empty() && !vocabulary_.joiners.joins(last_)) {
      end_word();
    }
    word_ += rules_.space;
    ends_in_space_ = true;
  }
  void extend(uint32_t begin);
  void emit(const Best& best, uint32_t end);
  void emit_bytes(std::string_view bytes);

  const Vocabulary& vocabulary_;
  const Rules& rules_;
  std::vector<TokenId>& out_;
  size_t n_before_;
  std::string word_;
  std::vector<Best> best_;  // best_[i]: the best way to reach byte i of the word
  std::vector<uint32_t> path_;
  uint32_t last_ = 0;
  bool in_word_ = false;
  bool prefixed_ = false;
  bool ends_in_space_ = false;
};

// Tries every token that starts at `begin`.
void UnigramCall::extend(uint32_t begin) {
  const double reached = best_[begin].score;
  const uint32_t n_char = decode_utf8(std::string_view(word_).substr(begin)).n_bytes;
  const auto offer = [&](uint32_t end, double score, int32_t id) {
    if (score > best_[end].score) {
      best_[end] = {score, begin, id};
    }
  };
  bool single_found = false;
  uint32_t node = ByteTrie::kRoot;
  for (uint32_t end = begin; end < word_.size();) {
    node = vocabulary_.trie.child(node, static_cast<uint8_t>(word_[end]));
    if (node == ByteTrie::kNone) {
      break;
    }
    ++end;
    const int32_t id = vocabulary_.trie.value(node);
    if (id != ByteTrie::kNoValue) {
      single_found = single_found || end - begin == n_char;
      offer(end, reached + static_cast<double>(vocabulary_.scores[static_cast<size_t>(id)]), id);
    }
  }
  if (!single_found) {
    offer(begin + n_char, reached + rules_.unk_score, -1);
  }
}

void UnigramCall::end_word() {
  if (word_.empty()) {
    return;
  }
  const auto n = static_cast<uint32_t>(word_.size());
  best_.assign(n + 1, {});
  best_[0].score = 0;
  for (uint32_t at = 0; at < n;) {
    extend(at);
    at += decode_utf8(std::string_view(word_).substr(at)).n_bytes;
  }
  path_.clear();
  for (uint32_t end = n; end > 0; end = best_[end].begin) {
    path_.push_back(end);
  }
  for (size_t i = path_.size(); i-- > 0;) {
    emit(best_[path_[i]], path_[i]);
  }
  word_.clear();
  last_ = 0;
  ends_in_space_ = false;
}

void UnigramCall::emit(const Best& best, uint32_t end) {
  if (best.id >= 0) {
    out_.push_back(TokenId{best.id});
  } else if (rules_.byte_fallback) {
    emit_bytes(std::string_view(word_).substr(best.begin, end - best.begin));
  } else if (rules_.unk != kNoToken && (out_.size() == n_before_ || out_.back() != rules_.unk)) {
    out_.push_back(rules_.unk);  // neighbouring unknown characters share one token
  }
}

void UnigramCall::emit_bytes(std::string_view bytes) {
  for (const char c : bytes) {
    out_.push_back(vocabulary_.tokens->byte_token(static_cast<uint8_t>(c)));
  }
}

class UnigramModel final : public WordModel {
 public:
  UnigramModel(Vocabulary vocabulary, Charsmap charsmap, Rules rules)
      : vocabulary_(std::move(vocabulary)), charsmap_(std::move(charsmap)), rules_(rules) {}

  void encode(std::string_view text, Context /*context*/,
              std::vector<TokenId>& out) const override {
    UnigramCall call(vocabulary_, rules_, out);
    while (!text.empty()) {
      const Charsmap::Match match = charsmap_.longest_prefix(text);
      size_t n_bytes = match.n_bytes;
      std::string_view normal = match.replacement;
      if (n_bytes == 0) {
        const Utf8Char c = decode_utf8(text);
        n_bytes = c.n_bytes;
        normal = c.valid || rules_.byte_fallback ? text.substr(0, n_bytes) : kReplacementUtf8;
      }
      for (const char c : normal) {
        call.add(c);
      }
      call.may_cut();
      text.remove_prefix(n_bytes);
    }
    call.end_word();
  }

 private:
  Vocabulary vocabulary_;
  Charsmap charsmap_;
  Rules rules_;
};

bool may_be_chosen(TokenType type) {
  return type == TokenType::normal || type == TokenType::user_defined || type == TokenType::unused;
}

Result<Vocabulary> make_vocabulary(const VocabTable& tokens) {
  Vocabulary vocabulary;
  vocabulary.tokens = &tokens;
  vocabulary.scores.resize(tokens.size());
  for (int32_t i = 0; i < static_cast<int32_t>(tokens.size()); ++i) {
    const TokenId id{i};
    if (!may_be_chosen(tokens.type(id))) {
      continue;
    }
    if (!vocabulary.trie.insert(tokens.text(id), i)) {
      return fail({.where = "tokenizer",
                   .what = "the token texts are too long together for Unigram",
                   .expected = "fewer than 2^24 distinct prefixes"});
    }
    vocabulary.joiners.add(tokens.text(id));
    // Normal scores are negative, so 0 makes a user-defined token win.
    vocabulary.scores[static_cast<size_t>(i)] =
        tokens.type(id) == TokenType::user_defined ? 0.0F : tokens.score(id);
  }
  vocabulary.joiners.done();
  return vocabulary;
}

double unknown_score(const VocabTable& tokens) {
  double worst = 0;
  bool any = false;
  for (int32_t i = 0; i < static_cast<int32_t>(tokens.size()); ++i) {
    const TokenId id{i};
    if (tokens.type(id) == TokenType::normal) {
      const auto score = static_cast<double>(tokens.score(id));
      worst = any ? std::min(worst, score) : score;
      any = true;
    }
  }
  return worst - kUnknownPenalty;
}

}  // namespace

Result<std::unique_ptr<const WordModel>> make_unigram_model(const VocabTable& tokens,
                                                            const UnigramOptions& options) {
  QUERN_ASSIGN(Charsmap charsmap, Charsmap::parse(options.precompiled_charsmap));
  QUERN_ASSIGN(Vocabulary vocabulary, make_vocabulary(tokens));
  const Rules rules{.prefix = options.add_space_prefix,
                    .merge_spaces = options.remove_extra_whitespaces,
                    .space = options.escape_whitespaces ? kSpaceMark : std::string_view(" "),
                    .byte_fallback = tokens.has_all_byte_tokens(),
                    .unk = options.unk,
                    .unk_score = unknown_score(tokens)};
  return std::make_unique<const UnigramModel>(std::move(vocabulary), std::move(charsmap), rules);
}

}  // namespace quern
