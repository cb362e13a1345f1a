// JSON to template values. Header-only, so that tests can use it without the program.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "server/json.h"
#include "text/jinja/value.h"

namespace quern::server {

inline constexpr int kMaxJsonDepth = 150;  // below jinja::Limits::value_depth

// Integers from 2^63 to 2^64-1 keep their digits, larger ones are floats as the JSON reader gives
// them. Fails on nesting beyond kMaxJsonDepth.
inline Result<jinja::Value> to_value(const Json& json, int depth = 0) {
  if (depth > kMaxJsonDepth) {
    return fail({.where = "json",
                 .what = "the JSON is nested too deeply",
                 .expected = "at most " + std::to_string(kMaxJsonDepth) + " levels"});
  }
  switch (json.type()) {
    case Json::value_t::boolean:
      return jinja::Value::boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return jinja::Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return jinja::Value::big_integer(std::to_string(json.get<uint64_t>()));
      }
      return jinja::Value::integer(json.get<int64_t>());
    case Json::value_t::number_float:
      return jinja::Value::real(json.get<double>());
    case Json::value_t::string:
      return jinja::Value::string(json.get<std::string>());
    case Json::value_t::array: {
      std::vector<jinja::Value> items;
      for (const Json& item : json) {
        QUERN_ASSIGN(jinja::Value value, to_value(item, depth + 1));
        items.push_back(std::move(value));
      }
      return jinja::Value::list(std::move(items));
    }
    case Json::value_t::object: {
      jinja::Dict entries;
      for (const auto& [key, item] : json.items()) {
        QUERN_ASSIGN(jinja::Value value, to_value(item, depth + 1));
        entries.set(key, std::move(value));
      }
      return jinja::Value::dict(std::move(entries));
    }
    default:
      return jinja::Value::none();
  }
}

// The variables of a chat template from the object that clients send: its keys, with those of
// `variables` beside them and `now` left out. Without tools or documents these are none.
inline Result<jinja::Dict> template_context(const Json& input) {
  jinja::Dict context;
  context.set("tools", jinja::Value::none());
  context.set("documents", jinja::Value::none());
  context.set("add_generation_prompt", jinja::Value::boolean(false));
  const auto add = [&](const Json& object) -> Status {
    for (const auto& [key, item] : object.items()) {
      if (key != "variables" && key != "now") {
        QUERN_ASSIGN(jinja::Value value, to_value(item));
        context.set(key, std::move(value));
      }
    }
    return {};
  };
  QUERN_TRY(add(input));
  if (const auto it = input.find("variables"); it != input.end() && it->is_object()) {
    QUERN_TRY(add(*it));
  }
  return context;
}

}  // namespace quern::server
