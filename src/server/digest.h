// Keyed digests with a secret of this process: what cannot be compared, or shown, as it is.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace quern::server {

using Digest = std::array<uint64_t, 2>;

// XXH3-128 under a secret drawn at the first use. Thread-safe.
Digest keyed_digest(std::string_view text);
std::string to_hex(const Digest& digest);

}  // namespace quern::server
