#include "server/loopback.h"

#include <algorithm>
#include <optional>
#include <string>

#include <boost/asio/ip/address.hpp>

namespace quern::server {
namespace {

using boost::asio::ip::address;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
  return out;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<address> address_of(std::string_view host) {
  boost::system::error_code error;
  const address found = boost::asio::ip::make_address(std::string(without_brackets(host)), error);
  return error ? std::nullopt : std::optional(found);
}

bool is_loopback_address(const address& host) {
  if (host.is_v6() && host.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, host.to_v6()).is_loopback();
  }
  return host.is_loopback();
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_' || c == '.';
}

}  // namespace

Authority split_authority(std::string_view text) {
  const size_t bracket = text.rfind(']');  // an IPv6 address has colons of its own
  const size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) {
    return {.host = text, .port = std::nullopt};
  }
  return {.host = text.substr(0, colon), .port = text.substr(colon + 1)};
}

std::string_view without_brackets(std::string_view host) {
  const bool has_them = host.size() > 2 && host.front() == '[' && host.back() == ']' &&
                        host.find(':') != std::string_view::npos;
  return has_them ? host.substr(1, host.size() - 2) : host;
}

bool is_ip_address(std::string_view host) {
  return address_of(host).has_value();
}

bool is_loopback(std::string_view host) {
  if (lower(host) == "localhost") {
    return true;
  }
  const std::optional<address> found = address_of(host);
  return found && is_loopback_address(*found);
}

bool is_loopback_authority(std::string_view authority) {
  const Authority parts = split_authority(authority);
  if (parts.port && !std::ranges::all_of(*parts.port, is_digit)) {
    return false;
  }
  const std::string name = lower(parts.host);
  return is_loopback(name) ||
         (name.ends_with(".localhost") && std::ranges::all_of(name, is_name_char));
}

bool is_loopback_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) {
      return is_loopback_authority(origin.substr(scheme.size()));
    }
  }
  return false;
}

}  // namespace quern::server
