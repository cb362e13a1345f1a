// ModelCatalogue: the names that requests may use, and the files behind them: files added by the
// operator, then what discovery finds. A name never becomes a path by itself.
// Thread-safe. Remembers what it found, so that known names cost no look at the disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/discovery.h"

namespace quern {

struct KnownModel {
  FoundModel found;
  std::string file;  // the path without links: two names of one file have the same
};

class ModelCatalogue {
 public:
  explicit ModelCatalogue(HostPaths host) : host_(std::move(host)) {}

  // The name for requests; the listed one where the file lies in a known folder. An error when
  // there is no file.
  Result<std::string> add_file(const std::filesystem::path& path);
  // The same for a model that the operator gave by its name, as known at the last refresh: what the
  // list writes for it, which no file that is added later takes away. not_found.
  Result<std::string> add_name(std::string_view name);

  // As find_named(), among what was known at the last refresh.
  std::optional<KnownModel> find(std::string_view name) const;
  // not_found, with the nearest names.
  Error unknown(std::string_view name) const;

  // Looks at the disk, unless that was done less than a second ago: a crowd of wrong names costs
  // one look a second.
  void refresh(int64_t now_us);
  bool is_fresh(int64_t now_us) const;

  std::vector<FoundModel> list() const;
  // Of the one model added, by file or by name, or of the only model there is; else empty.
  std::string default_name() const;

 private:
  // The lock must be held for these three.
  KnownModel at(size_t index) const { return {models_[index], files_[index]}; }
  bool was_added(std::string_view name) const;
  void insert(size_t index, KnownModel model);

  const HostPaths host_;
  mutable std::mutex mutex_;
  // Those added come first. One list of models, because find_named() looks through one.
  std::vector<FoundModel> models_;
  std::vector<std::string> files_;  // of each
  size_t n_added_ = 0;
  std::optional<int64_t> scanned_us_;
};

}  // namespace quern
