#include "engine/model_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/nearest_names.h"
#include "text/printable.h"
#include "text/utf8.h"

namespace quern {
namespace {

bool is_same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return lower(x) == lower(y);
  });
}

// Ollama's clients and manifests write the tag that others leave out.
std::string_view without_latest(std::string_view name) {
  constexpr std::string_view latest = ":latest";
  const std::string_view end = name.substr(name.size() - std::min(name.size(), latest.size()));
  return is_same_name(end, latest) ? name.substr(0, name.size() - latest.size()) : name;
}

}  // namespace

const FoundModel* find_named(const std::vector<FoundModel>& models, std::string_view wanted) {
  const std::string given = as_valid_utf8(wanted);  // a command line may have the file's own bytes
  for (const FoundModel& model : models) {
    if (model.name == given) {
      return &model;
    }
  }
  const FoundModel* match = nullptr;
  for (const FoundModel& model : models) {
    if (is_same_name(without_latest(model.name), without_latest(given))) {
      if (match != nullptr) {
        return nullptr;
      }
      match = &model;
    }
  }
  return match;
}

std::string suggested_names(std::string_view wanted, const std::vector<FoundModel>& models) {
  std::vector<std::string> names;
  names.reserve(models.size());
  for (const FoundModel& model : models) {
    names.push_back(model.name);
  }
  std::string suggestions;
  for (const std::string& near : nearest_names(wanted, names)) {
    suggestions += fmt::format("{}'{}'", suggestions.empty() ? "" : ", ", printable(near, 120));
  }
  return suggestions;
}

}  // namespace quern
