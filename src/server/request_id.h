// Ids of requests, which logs, errors and X-Request-Id headers share.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>

namespace quern::server {

// 1 to 128 of A-Z a-z 0-9 . _ : -
bool is_sane_request_id(std::string_view id);

// 32 hexadecimal digits, not repeated and not guessable from earlier ones. Thread-safe.
std::string fresh_request_id();

// RequestIds: the ids of the requests being answered, so that none stands for two of one client.
// Used on the server's io thread only. Owns copies.
class RequestIds {
 public:
  // An id that is this request's alone until the claim ends: of all with the same API key.
  // Move-only; must not outlive the RequestIds.
  class Claim {
   public:
    Claim() = default;
    Claim(Claim&& other) noexcept;
    Claim& operator=(Claim&& other) noexcept;
    ~Claim();

    const std::string& id() const { return id_; }

   private:
    friend class RequestIds;
    void release();

    RequestIds* owner_ = nullptr;
    std::string entry_;
    std::string id_;
  };

  // What a client chose; with a number after it when that is taken: "mine", "mine.2", "mine.3".
  struct Wish {
    std::string_view key_salt;
    std::string_view id;
  };
  Claim claim(const Wish& wish);

 private:
  std::unordered_set<std::string> entries_;  // the key's salt, '/', the id
};

}  // namespace quern::server
