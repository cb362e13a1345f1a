#include "text/bpe_tables.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace quern {
namespace {

// Real vocabularies stay below a few dozen at a load of at most 1/2; a longer walk means that the
// file's texts were chosen to collide, and building would take quadratic time.
constexpr uint64_t kMostProbes = 4096;

// Slots for a load of at most 1/2.
size_t n_slots(size_t n_entries) {
  return std::bit_ceil(std::max<size_t>(n_entries, 8) * 2);
}

std::unexpected<Error> collision(const char* what) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "tokenizer",
               .what = what,
               .expected = "the vocabulary of a real model"});
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

TokenTable::TokenTable(size_t n_tokens, size_t n_bytes)
    : mask_(n_slots(n_tokens) - 1), slots_(mask_ + 1), by_id_(n_tokens) {
  arena_.reserve(n_bytes);
}

Status TokenTable::add(TokenId id) {
  QUERN_CHECK(value(id) >= 0 && static_cast<size_t>(value(id)) < by_id_.size());
  const Span span{.begin = static_cast<uint32_t>(added_bytes_),
                  .n_bytes = static_cast<uint32_t>(arena_.size() - added_bytes_)};
  added_bytes_ = arena_.size();
  if (span.n_bytes == 0) {
    return {};
  }
  const uint64_t hash = hash_bytes(bytes_of(span));
  prefetch(hash);
  pending_[n_pending_++] = {.id = id, .span = span, .hash = hash};
  return n_pending_ == kGroup ? finish() : Status{};
}

Status TokenTable::finish() {
  for (size_t i = 0; i < n_pending_; ++i) {
    QUERN_TRY(insert(pending_[i]));
  }
  n_pending_ = 0;
  return {};
}

Status TokenTable::insert(const Pending& pending) {
  const auto tag = static_cast<uint32_t>(pending.hash >> 32);
  const std::string_view bytes = bytes_of(pending.span);
  uint64_t at = pending.hash & mask_;
  for (uint64_t n_probes = 0; n_probes < kMostProbes; ++n_probes, at = (at + 1) & mask_) {
    Slot& slot = slots_[at];
    const bool same = slot.id >= 0 && slot.tag == tag && bytes_of(slot.span) == bytes;
    if (slot.id < 0 || same) {
      if (same) {
        by_id_[static_cast<size_t>(slot.id)] = {};
      }
      slot = {.tag = tag, .id = value(pending.id), .span = pending.span};
      by_id_[static_cast<size_t>(value(pending.id))] = pending.span;
      longest_ = std::max(longest_, bytes.size());
      return {};
    }
  }
  return collision("the tokens' texts collide in the index");
}

TokenId TokenTable::probe(std::string_view bytes, uint64_t hash) const {
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (uint64_t at = hash & mask_;; at = (at + 1) & mask_) {
    const Slot& slot = slots_[at];
    if (slot.id < 0) {
      return kNoToken;
    }
    if (slot.tag == tag && bytes_of(slot.span) == bytes) {
      return TokenId{slot.id};
    }
  }
}

MergeTable::MergeTable(size_t n_merges)
    : mask_(n_slots(n_merges) - 1),
      shift_(64 - std::countr_zero(mask_ + 1)),
      slots_(mask_ + 1),
      starts_(mask_ / 64 + 1) {
  merged_.reserve(n_merges);
  sweepable_.reserve(n_merges);
}

Status MergeTable::add(TokenId left, TokenId right, TokenId merged) {
  const uint64_t key = key_of(left, right);
  const uint64_t first = start(key);
  uint64_t at = first;
  for (uint64_t n_probes = 0; slots_[at].rank != kNoRank; ++n_probes, at = (at + 1) & mask_) {
    if (slots_[at].key() == key) {
      return {};
    }
    if (n_probes == kMostProbes) {
      return collision("the merges' pairs collide in the index");
    }
  }
  slots_[at] = {.left = static_cast<uint32_t>(left),
                .right = static_cast<uint32_t>(right),
                .rank = static_cast<uint32_t>(merged_.size())};
  starts_[first / 64] |= uint64_t{1} << (first % 64);
  merged_.push_back(merged);
  const auto highest = static_cast<size_t>(std::max({value(left), value(right), value(merged)}));
  if (highest >= used_.size()) {
    used_.resize(std::max(highest + 1, used_.size() * 2));
  }
  used_[static_cast<size_t>(value(left))] = true;
  used_[static_cast<size_t>(value(right))] = true;
  sweepable_.push_back(!used_[static_cast<size_t>(value(merged))]);
  return {};
}

}  // namespace quern
