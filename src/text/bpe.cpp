#include "text/bpe.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <limits>

#include "text/bpe_merge.h"
#include "text/bpe_tables.h"
#include "text/byte_pairs.h"
#include "text/pretokenizer.h"
#include "text/unicode.h"

namespace quern {
namespace {

constexpr std::string_view kEscapedSpace = "\u2581";

// What a model consists of once its file was read.
struct BpeParts {
  const PreTokenizer* pre;
  TokenTable tokens;
  MergeTable merges;
  BytePairs byte_pairs{};                // byte-level only: where merges join symbols
  std::array<TokenId, 256> byte_ids{};   // the token of a lone byte, or kNoToken
  std::array<TokenId, 128> ascii_ids{};  // raw UTF-8 only: the token of an ASCII character
  size_t n_tokens = 0;
};

// What one call of encode works with.
struct Workspace {
  explicit Workspace(const MergeTable& merges) : scratch(merges) {}

  std::vector<TokenId> symbols;  // of the piece at hand
  MergeScratch scratch;
};

class BpeModel final : public WordModel {
 public:
  explicit BpeModel(BpeParts parts)
      : parts_(std::move(parts)), wholeness_(std::make_unique<Wholeness[]>(parts_.n_tokens)) {}

  void encode(std::string_view text, Context context, std::vector<TokenId>& out) const override;
  bool keeps_every_byte() const override {
    return std::ranges::find(parts_.byte_ids, kNoToken) == parts_.byte_ids.end();
  }

  const TokenTable& tokens() const { return parts_.tokens; }
  const MergeTable& merges() const { return parts_.merges; }

  // Whether a piece with exactly the bytes of token `id` becomes that token. Merging decides, and
  // the answer is kept: the same whichever thread finds it first.
  bool is_whole(TokenId id, std::string_view piece, Workspace& work) const;
  // The symbols of a piece after merging.
  void merge_piece(std::string_view piece, Workspace& work) const;

 private:
  enum : uint8_t { kUnknown, kWhole, kNotWhole };
  using Wholeness = std::atomic<uint8_t>;

  size_t merge_parts(std::string_view piece, Workspace& work) const;
  void start_from_characters(std::string_view piece, std::vector<TokenId>& symbols) const;

  BpeParts parts_;
  std::unique_ptr<Wholeness[]> wholeness_;
};

// One call of encode: takes pieces as the split finds them and appends their ids. Pieces that are
// not one token are remembered by where they and their ids stand, so that a repeated word is merged
// once per text; the memory is bounded and needs no copy of either.
class BpeRun final : public PieceSink {
 public:
  BpeRun(const BpeModel& model, std::string_view text, std::vector<TokenId>& out)
      : model_(model), text_(text), out_(out), work_(model.merges()) {
    if (text.size() >= kSmallText) {
      seen_.resize(std::clamp<size_t>(std::bit_ceil(text.size() / 32), 16, 8192));
    }
  }

 protected:
  void take(const uint32_t* ends, size_t n_ends) override;

 private:
  static constexpr size_t kSmallText = 256;      // below, clearing the memory costs more
  static constexpr size_t kMostSeenBytes = 256;  // longer words hardly repeat

  struct Seen {
    uint64_t hash = 0;
    uint32_t begin = 0;  // in text_
    uint32_t n_bytes = 0;
    uint64_t first_id = 0;  // in out_
    uint64_t n_ids = 0;
  };

  void encode_piece(std::string_view piece, uint64_t hash);
  bool repeat_seen(std::string_view piece, const Seen& seen);

  const BpeModel& model_;
  std::string_view text_;
  std::vector<TokenId>& out_;
  size_t start_ = 0;  // of the next piece
  std::array<uint64_t, kBatch> hashes_;
  std::vector<Seen> seen_;  // direct-mapped by hash
  Workspace work_;
};

// All pieces of a batch are hashed before the first is looked up, so that the table's lines are on
// their way meanwhile.
void BpeRun::take(const uint32_t* ends, size_t n_ends) {
  size_t begin = start_;
  for (size_t i = 0; i < n_ends; ++i) {
    hashes_[i] = hash_bytes(text_.substr(begin, ends[i] - begin));
    model_.tokens().prefetch(hashes_[i]);
    begin = ends[i];
  }
  for (size_t i = 0; i < n_ends; ++i) {
    encode_piece(text_.substr(start_, ends[i] - start_), hashes_[i]);
    start_ = ends[i];
  }
}

bool BpeRun::repeat_seen(std::string_view piece, const Seen& seen) {
  if (seen.n_bytes != piece.size() || text_.substr(seen.begin, seen.n_bytes) != piece) {
    return false;
  }
  const size_t n_before = out_.size();
  out_.resize(n_before + seen.n_ids);
  std::copy_n(out_.begin() + static_cast<ptrdiff_t>(seen.first_id), seen.n_ids,
              out_.begin() + static_cast<ptrdiff_t>(n_before));
  return true;
}

void BpeRun::encode_piece(std::string_view piece, uint64_t hash) {
  const TokenId id = model_.tokens().find(piece, hash);
  if (id != kNoToken && model_.is_whole(id, piece, work_)) {
    out_.push_back(id);
    return;
  }
  const bool memorable = !seen_.empty() && piece.size() <= kMostSeenBytes;
  Seen* const seen = memorable ? &seen_[(hash >> 20) & (seen_.size() - 1)] : nullptr;
  if (seen != nullptr && seen->hash == hash && repeat_seen(piece, *seen)) {
    return;
  }
  const size_t first_id = out_.size();
  model_.merge_piece(piece, work_);
  std::ranges::copy_if(work_.symbols, std::back_inserter(out_),
                       [](TokenId symbol) { return symbol != kNoToken; });
  if (seen != nullptr) {
    *seen = {.hash = hash,
             .begin = static_cast<uint32_t>(piece.data() - text_.data()),
             .n_bytes = static_cast<uint32_t>(piece.size()),
             .first_id = first_id,
             .n_ids = out_.size() - first_id};
  }
}

std::string escape_spaces(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size() + text.size() / 2);
  for (const char c : text) {
    if (c == ' ') {
      escaped += kEscapedSpace;
    } else {
      escaped += c;
    }
  }
  return escaped;
}

void BpeModel::encode(std::string_view text, Context /*context*/, std::vector<TokenId>& out) const {
  std::string escaped;
  if (parts_.pre->escape_spaces) {
    escaped = escape_spaces(text);
    text = escaped;
  }
  BpeRun run(*this, text, out);
  parts_.pre->split(text, run);
  run.flush();
}

bool BpeModel::is_whole(TokenId id, std::string_view piece, Workspace& work) const {
  if (parts_.pre->ignore_merges || (parts_.pre->whole_newlines && piece.front() == '\n')) {
    return true;
  }
  Wholeness& wholeness = wholeness_[static_cast<size_t>(value(id))];
  uint8_t known = wholeness.load(std::memory_order_relaxed);
  if (known == kUnknown) {
    merge_piece(piece, work);
    known = work.symbols.size() == 1 && work.symbols.front() == id ? kWhole : kNotWhole;
    wholeness.store(known, std::memory_order_relaxed);
  }
  return known == kWhole;
}

void BpeModel::merge_piece(std::string_view piece, Workspace& work) const {
  std::vector<TokenId>& symbols = work.symbols;
  symbols.clear();
  if (!parts_.pre->byte_level) {
    start_from_characters(piece, symbols);
    symbols.resize(work.scratch.merge(symbols));
    return;
  }
  symbols.resize(piece.size());
  std::ranges::transform(piece, symbols.begin(),
                         [this](char c) { return parts_.byte_ids[static_cast<unsigned char>(c)]; });
  symbols.resize(piece.size() <= MergeScratch::kShort ? work.scratch.merge(symbols)
                                                      : merge_parts(piece, work));
}

// A long piece goes part by part through the processor's nearest memory. Returns how many symbols
// are left.
size_t BpeModel::merge_parts(std::string_view piece, Workspace& work) const {
  const std::span<TokenId> symbols = work.symbols;
  size_t n_left = 0;
  for (size_t begin = 0; begin < piece.size();) {
    const size_t end = parts_.byte_pairs.part_end(piece, begin);
    const std::span<TokenId> part = symbols.subspan(begin, end - begin);
    const size_t n_merged = work.scratch.merge(part);
    if (n_left != begin) {
      std::ranges::copy(part.first(n_merged), symbols.subspan(n_left).begin());
    }
    n_left += n_merged;
    begin = end;
  }
  return n_left;
}

// Raw UTF-8: a symbol for each character that is a token, and one for each byte of the others.
void BpeModel::start_from_characters(std::string_view piece, std::vector<TokenId>& symbols) const {
  const char* const end = piece.data() + piece.size();
  for (const char* at = piece.data(); at < end;) {
    const uint32_t n_bytes = decode_char(at, end).n_bytes;
    const std::string_view character(at, n_bytes);
    const auto lead = static_cast<unsigned char>(*at);
    const TokenId id = lead < 128 ? parts_.ascii_ids[lead] : parts_.tokens.find(character);
    if (id != kNoToken) {
      symbols.push_back(id);
    } else {
      for (const char c : character) {
        symbols.push_back(parts_.byte_ids[static_cast<unsigned char>(c)]);
      }
    }
    at += n_bytes;
  }
}

std::unexpected<Error> bad_vocabulary(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "tokenizer",
               .what = std::move(what),
               .expected = std::move(expected)});
}

// Special tokens are no words: text that merely looks like one must not become it.
bool is_word(const VocabSpec& spec, size_t id) {
  return spec.types.empty() ||
         (spec.types[id] != TokenType::control && spec.types[id] != TokenType::unknown);
}

// A user-defined token is its own text: DeepSeek's "\u00FA" is that letter, not the byte 0xFA whose
// stand-in looks the same.
bool is_literal(const VocabSpec& spec, TokenId id) {
  return id != kNoToken && !spec.types.empty() &&
         spec.types[static_cast<size_t>(value(id))] == TokenType::user_defined;
}

Status index_tokens(const VocabSpec& spec, BpeParts& parts) {
  std::string& arena = parts.tokens.arena();
  for (size_t i = 0; i < spec.tokens.size(); ++i) {
    if (!is_word(spec, i)) {
      continue;
    }
    if (parts.pre->byte_level) {
      append_byte_level(spec.tokens[i], arena);
    } else {
      arena += spec.tokens[i];
    }
    QUERN_TRY(parts.tokens.add(TokenId{static_cast<int32_t>(i)}));
  }
  QUERN_TRY(parts.tokens.finish());
  for (size_t byte = 0; byte < parts.byte_ids.size(); ++byte) {
    const char c = static_cast<char>(byte);
    const TokenId id = parts.tokens.find(std::string_view(&c, 1));
    parts.byte_ids[byte] = is_literal(spec, id) ? kNoToken : id;
    if (!parts.pre->byte_level) {
      parts.byte_ids[byte] = parts.tokens.find(fmt::format("<0x{:02X}>", byte));
    }
    if (byte < parts.ascii_ids.size()) {
      parts.ascii_ids[byte] = id;
    }
  }
  return {};
}

// Reads the file's merges. Looking texts up waits for memory more than anything else, so that
// merges go through in groups: all are hashed, then all slots and texts are fetched, then found.
class MergeReader {
 public:
  MergeReader(const VocabSpec& spec, BpeParts& parts) : spec_(spec), parts_(parts) {}

  Status read_all() {
    for (size_t first = 0; first < spec_.merges.size(); first += kGroup) {
      const size_t n = std::min(kGroup, spec_.merges.size() - first);
      bytes_.clear();
      for (size_t i = 0; i < n; ++i) {
        QUERN_TRY(decode(spec_.merges[first + i], group_[i]));
      }
      for (size_t i = 0; i < n; ++i) {
        parts_.tokens.prefetch_bytes(group_[i].left_hash);
        parts_.tokens.prefetch_bytes(group_[i].right_hash);
      }
      for (size_t i = 0; i < n; ++i) {
        find(group_[i]);
      }
      for (size_t i = 0; i < n; ++i) {
        QUERN_TRY(add(group_[i]));
      }
    }
    return {};
  }
  size_t n_unknown() const { return n_unknown_; }

 private:
  static constexpr size_t kGroup = 64;

  struct Pending {
    size_t begin = 0;  // in bytes_
    size_t middle = 0;
    size_t end = 0;
    uint64_t left_hash = 0;
    uint64_t right_hash = 0;
    TokenId left = kNoToken;
    TokenId right = kNoToken;
    TokenId merged = kNoToken;
  };

  std::string_view bytes(size_t begin, size_t end) const {
    return std::string_view(bytes_).substr(begin, end - begin);
  }

  void append(std::string_view text) {
    if (!parts_.pre->byte_level || !append_byte_level(text, bytes_)) {
      bytes_ += text;
    }
  }

  Status decode(std::string_view merge, Pending& pending) {
    // The first character may be a space itself where tokens are raw text.
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos) {
      return bad_vocabulary("a merge without a space", "\"left right\"");
    }
    pending.begin = bytes_.size();
    append(merge.substr(0, space));
    pending.middle = bytes_.size();
    append(merge.substr(space + 1));
    pending.end = bytes_.size();
    pending.left_hash = hash_bytes(bytes(pending.begin, pending.middle));
    pending.right_hash = hash_bytes(bytes(pending.middle, pending.end));
    parts_.tokens.prefetch(pending.left_hash);
    parts_.tokens.prefetch(pending.right_hash);
    return {};
  }

  void find(Pending& pending) {
    const TokenTable& tokens = parts_.tokens;
    pending.left = tokens.find(bytes(pending.begin, pending.middle), pending.left_hash);
    pending.right = tokens.find(bytes(pending.middle, pending.end), pending.right_hash);
    pending.merged = find_merged(bytes(pending.begin, pending.end));
    parts_.merges.prefetch(pending.left, pending.right);
  }

  Status add(const Pending& pending) {
    if (std::min({pending.left, pending.right, pending.merged}) == kNoToken) {
      ++n_unknown_;
      return {};
    }
    parts_.byte_pairs.add(bytes_[pending.middle - 1], bytes_[pending.middle]);
    return parts_.merges.add(pending.left, pending.right, pending.merged);
  }

  // Merges mostly come in the order of the tokens that they make.
  TokenId find_merged(std::string_view text) {
    for (const int32_t id : {value(last_merged_), value(last_merged_) + 1}) {
      if (parts_.tokens.is(TokenId{id}, text)) {
        return last_merged_ = TokenId{id};
      }
    }
    return last_merged_ = parts_.tokens.find(text);
  }

  const VocabSpec& spec_;
  BpeParts& parts_;
  std::string bytes_;
  std::array<Pending, kGroup> group_;
  TokenId last_merged_ = kNoToken;
  size_t n_unknown_ = 0;
};

Status index_merges(const VocabSpec& spec, BpeParts& parts, const Log& log) {
  MergeReader reader(spec, parts);
  QUERN_TRY(reader.read_all());
  if (reader.n_unknown() > 0) {
    log.warn(fmt::format("{} of {} merges name texts that are not tokens; they are left out",
                         reader.n_unknown(), spec.merges.size()));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<const WordModel>> make_bpe_model(const VocabSpec& spec, const Log& log) {
  QUERN_ASSIGN(const PreTokenizer* const pre, resolve_pre(spec.pre, spec.allow_unknown_pre, log));
  size_t n_bytes = 0;
  for (const std::string_view token : spec.tokens) {
    n_bytes += token.size();
  }
  constexpr size_t most = std::numeric_limits<int32_t>::max();
  if (spec.tokens.size() > most || spec.merges.size() > most || n_bytes > most) {
    return bad_vocabulary("the vocabulary is too large", "less than 2 GiB of token texts");
  }
  if (!spec.types.empty() && spec.types.size() != spec.tokens.size()) {
    return bad_vocabulary(
        fmt::format("{} token types for {} tokens", spec.types.size(), spec.tokens.size()),
        "one type for each token");
  }
  if (spec.merges.empty()) {
    log.warn("the file has no merges; words that are not tokens are encoded byte by byte");
  }
  BpeParts parts{.pre = pre,
                 .tokens = TokenTable(spec.tokens.size(), n_bytes),
                 .merges = MergeTable(spec.merges.size()),
                 .n_tokens = spec.tokens.size()};
  QUERN_TRY(index_tokens(spec, parts));
  QUERN_TRY(index_merges(spec, parts, log));
  return std::make_unique<const BpeModel>(std::move(parts));
}

}  // namespace quern
