#include "server/json.h"

#include <fmt/format.h>

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace quern::server {
namespace {

// Takes the reader's events and builds the value. The library's own way looks every new member up
// among all before it, which a client could make take hours.
class Builder {
 public:
  bool null() { return put(Json()); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(int64_t value) { return put(value); }
  bool number_unsigned(uint64_t value) { return put(value); }
  bool number_float(double value, const std::string& /*text*/) { return put(value); }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(Json::binary_t& /*value*/) { return false; }

  bool start_object(size_t /*n*/) { return open(Json::object()); }
  bool start_array(size_t /*n*/) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    open_.back().key = std::move(name);
    return true;
  }
  bool parse_error(size_t position, const std::string& /*token*/, const Json::exception& error) {
    // 406: a number that is no double.
    problem_ = error.id == 406 ? "the JSON has a number that is too large"
                               : fmt::format("the JSON is malformed at byte {}", position);
    return false;
  }

  Json take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

 private:
  struct Open {
    Json value;
    std::string key;                                // of the member to come
    std::unordered_map<std::string, size_t> index;  // of an object with many members
  };
  static constexpr size_t kIndexFrom = 32;

  bool refuse(std::string why) {
    problem_ = std::move(why);
    return false;
  }

  bool open(Json container) {
    if (open_.size() == kMaxBodyDepth) {
      return refuse(fmt::format("the JSON is nested deeper than {} levels", kMaxBodyDepth));
    }
    open_.push_back({.value = std::move(container), .key = {}, .index = {}});
    return true;
  }

  bool close() {
    Json value = std::move(open_.back().value);
    open_.pop_back();
    return put(std::move(value));
  }

  bool put(Json value) {
    if (++n_values_ > kMaxValues) {
      return refuse(fmt::format("the JSON has more than {} values", kMaxValues));
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Open& parent = open_.back();
    if (parent.value.is_array()) {
      parent.value.push_back(std::move(value));
      return true;
    }
    return put_member(parent, std::move(value));
  }

  static Json* find_member(Open& parent) {
    auto& members = parent.value.get_ref<Json::object_t&>();
    if (members.size() < kIndexFrom) {
      const auto it = members.find(parent.key);
      return it == members.end() ? nullptr : &it->second;
    }
    if (parent.index.empty()) {
      for (size_t i = 0; i < members.size(); ++i) {
        parent.index.emplace(members.data()[i].first, i);
      }
    }
    const auto it = parent.index.find(parent.key);
    return it == parent.index.end() ? nullptr : &members.data()[it->second].second;
  }

  bool put_member(Open& parent, Json value) {
    if (Json* existing = find_member(parent)) {
      *existing = std::move(value);
      return true;
    }
    auto& members = parent.value.get_ref<Json::object_t&>();
    if (members.size() == kMaxMembers) {
      return refuse(fmt::format("the JSON has an object with more than {} members", kMaxMembers));
    }
    if (!parent.index.empty()) {
      parent.index.emplace(parent.key, members.size());
    }
    members.emplace_back(std::move(parent.key), std::move(value));
    return true;
  }

  std::vector<Open> open_;
  Json root_;
  std::string problem_;
  size_t n_values_ = 0;
};

}  // namespace

Result<Json> parse_json(std::string_view text) {
  Builder builder;
  if (!Json::sax_parse(text, &builder)) {
    return fail({.where = "json", .what = builder.problem(), .expected = "JSON in UTF-8"});
  }
  return builder.take();
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace quern::server
