// ResponseStore: finished answers that later requests refer to, by id; the least recently used go
// first when it is full.
// Used on the server's io thread only. Owns copies.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace quern::server {

class ResponseStore {
 public:
  struct Limits {
    size_t n_entries = 1024;
    uint64_t n_bytes = uint64_t{64} << 20;
  };
  ResponseStore() = default;
  explicit ResponseStore(const Limits& limits) : limits_(limits) {}

  // What is under this id is replaced. An entry above the limit of bytes is not kept. `salt` is
  // HttpRequest::key_salt: one key's answers do not exist for another.
  struct Name {
    std::string_view salt;
    std::string_view id;
  };
  void put(const Name& name, std::string value);
  std::optional<std::string> get(const Name& name);
  bool erase(const Name& name);

  size_t n_entries() const { return entries_.size(); }
  uint64_t n_bytes() const { return n_bytes_; }

 private:
  struct Entry {
    std::string key;
    std::string value;
  };

  Limits limits_;
  std::list<Entry> entries_;  // the most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
  uint64_t n_bytes_ = 0;
};

}  // namespace quern::server
