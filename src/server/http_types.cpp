#include "server/http_types.h"

#include <algorithm>

namespace quern::server {
namespace {

std::string_view find(const Headers& pairs, std::string_view name) {
  const auto found = std::ranges::find(pairs, name, &Headers::value_type::first);
  return found == pairs.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

std::string_view HttpRequest::header(std::string_view lower_case_name) const {
  return find(headers, lower_case_name);
}

std::string_view HttpRequest::path_param(std::string_view name) const {
  return find(path_params, name);
}

}  // namespace quern::server
