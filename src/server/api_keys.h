// ApiKeys: who may ask.
// Immutable, so safe from any thread. Owns only digests of the keys.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/digest.h"
#include "server/http_types.h"

namespace quern::server {

class ApiKeys {
 public:
  explicit ApiKeys(const std::vector<std::string>& keys);

  bool empty() const { return digests_.empty(); }
  // The salt that separates the key's prompts from those of other keys; none when the request has
  // no key that is known. Looks at "Authorization: Bearer" and "x-api-key". How long it takes
  // depends neither on which key it is nor on how much of it is right: digests of one length are
  // compared with all keys, bit by bit. Without keys anybody may ask, with an empty salt.
  std::optional<std::string> salt_of(const HttpRequest& request) const;

 private:
  std::vector<Digest> digests_;
};

}  // namespace quern::server
