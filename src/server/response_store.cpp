#include "server/response_store.h"

#include <utility>

namespace quern::server {
namespace {

// Salts are hexadecimal, so the first slash ends one.
std::string key_of(const ResponseStore::Name& name) {
  return std::string(name.salt) + "/" + std::string(name.id);
}

uint64_t bytes_of(const std::string& key, const std::string& value) {
  return 2 * key.size() + value.size();
}

}  // namespace

void ResponseStore::put(const Name& name, std::string value) {
  erase(name);
  std::string key = key_of(name);
  const uint64_t n_new = bytes_of(key, value);
  if (n_new > limits_.n_bytes || limits_.n_entries == 0) {
    return;
  }
  while (entries_.size() >= limits_.n_entries || n_bytes_ + n_new > limits_.n_bytes) {
    const Entry& oldest = entries_.back();
    n_bytes_ -= bytes_of(oldest.key, oldest.value);
    by_key_.erase(oldest.key);
    entries_.pop_back();
  }
  entries_.push_front({key, std::move(value)});
  by_key_.emplace(std::move(key), entries_.begin());
  n_bytes_ += n_new;
}

std::optional<std::string> ResponseStore::get(const Name& name) {
  const auto found = by_key_.find(key_of(name));
  if (found == by_key_.end()) {
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->value;
}

bool ResponseStore::erase(const Name& name) {
  const auto found = by_key_.find(key_of(name));
  if (found == by_key_.end()) {
    return false;
  }
  n_bytes_ -= bytes_of(found->second->key, found->second->value);
  entries_.erase(found->second);
  by_key_.erase(found);
  return true;
}

}  // namespace quern::server
