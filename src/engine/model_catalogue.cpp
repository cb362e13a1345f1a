#include "engine/model_catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <system_error>

#include "engine/model_names.h"
#include "gguf/reader.h"
#include "text/printable.h"
#include "text/utf8.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

constexpr int64_t kFreshUs = 1'000'000;

// In UTF-8, since JSON carries it.
std::string name_of_file(const fs::path& path) {
  const std::string file_name = path.filename().string();
  if (const auto split = parse_split_name(file_name)) {
    return as_valid_utf8(split->base);
  }
  return as_valid_utf8(path.extension() == ".gguf" ? path.stem().string() : file_name);
}

KnownModel known(FoundModel found) {
  std::error_code error;
  const fs::path file = fs::weakly_canonical(found.path, error);
  std::string text = error ? found.path.string() : file.string();
  return {.found = std::move(found), .file = std::move(text)};
}

std::vector<KnownModel> scan(const HostPaths& host) {
  std::vector<KnownModel> models;
  for (FoundModel& found : list_models(host)) {
    models.push_back(known(std::move(found)));
  }
  return models;
}

}  // namespace

bool ModelCatalogue::was_added(std::string_view name) const {
  const auto added = std::span(models_).first(n_added_);
  return std::ranges::find(added, name, &FoundModel::name) != added.end();
}

void ModelCatalogue::insert(size_t index, KnownModel model) {
  const auto offset = static_cast<std::ptrdiff_t>(index);
  models_.insert(models_.begin() + offset, std::move(model.found));
  files_.insert(files_.begin() + offset, std::move(model.file));
}

Result<std::string> ModelCatalogue::add_file(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return fail({.kind = fs::exists(path, error) ? ErrorKind::invalid_input : ErrorKind::not_found,
                 .where = "model",
                 .what = fmt::format("'{}' is no file", printable(path.string(), 200)),
                 .expected = "the path of a .gguf file"});
  }
  KnownModel model =
      known({.name = name_of_file(path), .path = path, .source = ModelSource::folder, .error = {}});
  for (KnownModel& listed : scan(host_)) {
    if (listed.file == model.file) {
      model = std::move(listed);
      break;
    }
  }
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < n_added_; ++i) {
    if (files_[i] == model.file) {
      return models_[i].name;
    }
  }
  const std::string base = model.found.name;
  for (int i = 2; was_added(model.found.name); ++i) {
    model.found.name = fmt::format("{}-{}", base, i);
  }
  insert(n_added_, model);
  ++n_added_;
  scanned_us_.reset();  // a scanned name may have to give way
  return model.found.name;
}

Result<std::string> ModelCatalogue::add_name(std::string_view name) {
  const std::optional<KnownModel> model = find(name);
  if (!model) {
    return fail(unknown(name));
  }
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(models_, model->found.name, &FoundModel::name);
  const std::ptrdiff_t index = found - models_.begin();
  if (found != models_.end() && index >= static_cast<std::ptrdiff_t>(n_added_)) {
    models_.erase(found);
    files_.erase(files_.begin() + index);
    insert(n_added_, *model);
    ++n_added_;
  }
  return model->found.name;
}

std::optional<KnownModel> ModelCatalogue::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const FoundModel* found = find_named(models_, name);
  if (found == nullptr) {
    return std::nullopt;
  }
  return at(static_cast<size_t>(found - models_.data()));
}

Error ModelCatalogue::unknown(std::string_view name) const {
  const std::string near = suggested_names(name, list());
  return {.kind = ErrorKind::not_found,
          .where = "model",
          .what = fmt::format("no model '{}'", printable(name, 200)),
          .expected = near.empty() ? "the name of a model that is listed"
                                   : fmt::format("{}, or another model that is listed", near)};
}

void ModelCatalogue::refresh(int64_t now_us) {
  if (is_fresh(now_us)) {
    return;
  }
  std::vector<KnownModel> scanned = scan(host_);
  const std::lock_guard lock(mutex_);
  models_.resize(n_added_);
  files_.resize(n_added_);
  for (KnownModel& model : scanned) {
    const auto added_files = std::span(files_).first(n_added_);
    const bool has_file = std::ranges::find(added_files, model.file) != added_files.end();
    const bool has_name = was_added(model.found.name);
    // Ollama's several names of one blob stay; a file that was added has its name already.
    if (has_file && (has_name || model.found.source != ModelSource::ollama)) {
      continue;
    }
    if (has_name) {
      model.found.name += fmt::format("@{}", name(model.found.source));
    }
    insert(models_.size(), std::move(model));
  }
  scanned_us_ = now_us;
}

bool ModelCatalogue::is_fresh(int64_t now_us) const {
  const std::lock_guard lock(mutex_);
  return scanned_us_ && now_us - *scanned_us_ < kFreshUs;
}

std::vector<FoundModel> ModelCatalogue::list() const {
  const std::lock_guard lock(mutex_);
  return models_;
}

std::string ModelCatalogue::default_name() const {
  const std::lock_guard lock(mutex_);
  return n_added_ == 1 || (n_added_ == 0 && models_.size() == 1) ? models_.front().name
                                                                 : std::string();
}

}  // namespace quern
