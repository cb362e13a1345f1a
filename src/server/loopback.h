// Hosts and ports; what only this machine reaches, and which names mean it.
// Thread-safe: functions of their arguments.
#pragma once

#include <optional>
#include <string_view>

namespace quern::server {

// What stands in a Host header, and behind "://" in an origin.
struct Authority {
  std::string_view host;
  std::optional<std::string_view> port;  // as written, perhaps empty
};
Authority split_authority(std::string_view text);

// Of a host to listen on: localhost in any case, 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104; an IPv6
// address may be in brackets.
bool is_loopback(std::string_view host);
// Whether it is an IP address; one of IPv6 may be in brackets.
bool is_ip_address(std::string_view host);
// An IPv6 address as it stands between the brackets that URLs need; anything else as it is.
std::string_view without_brackets(std::string_view host);

// Of a Host header, with or without a port: an address of loopback, localhost, or a name below it,
// which browsers never ask a name server for (RFC 6761, section 6.3).
bool is_loopback_authority(std::string_view authority);
// Of an Origin header: http or https from such a host.
bool is_loopback_origin(std::string_view origin);

}  // namespace quern::server
