#include "server/request_id.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "server/digest.h"

namespace quern::server {
namespace {

constexpr size_t kMaxChars = 128;

bool is_sane(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == ':' || c == '-';
}

}  // namespace

bool is_sane_request_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxChars && std::ranges::all_of(id, is_sane);
}

std::string fresh_request_id() {
  static std::atomic<uint64_t> n_made{0};
  return to_hex(keyed_digest(fmt::format("request {}", n_made.fetch_add(1))));
}

RequestIds::Claim::Claim(Claim&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      entry_(std::move(other.entry_)),
      id_(std::move(other.id_)) {}

RequestIds::Claim& RequestIds::Claim::operator=(Claim&& other) noexcept {
  if (this != &other) {
    release();
    owner_ = std::exchange(other.owner_, nullptr);
    entry_ = std::move(other.entry_);
    id_ = std::move(other.id_);
  }
  return *this;
}

RequestIds::Claim::~Claim() {
  release();
}

void RequestIds::Claim::release() {
  if (owner_ != nullptr) {
    owner_->entries_.erase(entry_);
    owner_ = nullptr;
  }
}

RequestIds::Claim RequestIds::claim(const Wish& wish) {
  Claim claim;
  claim.id_ = wish.id;
  for (uint64_t number = 2;; ++number) {
    claim.entry_ = fmt::format("{}/{}", wish.key_salt, claim.id_);
    if (entries_.insert(claim.entry_).second) {
      break;
    }
    claim.id_ = fmt::format("{}.{}", wish.id, number);
    if (claim.id_.size() > kMaxChars) {
      claim.id_ = fresh_request_id();
    }
  }
  claim.owner_ = this;
  return claim;
}

}  // namespace quern::server
