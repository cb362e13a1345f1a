#include "gguf/scan.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <system_error>

#include "gguf/ggml_type.h"
#include "gguf/reader.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

// Far more than a person keeps, and an end for a folder that never ends.
constexpr size_t kMaxFiles = 100'000;
constexpr int kMaxDepth = 32;

bool has_gguf_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return extension == ".gguf";
}

bool is_below(const fs::path& path, const fs::path& root) {
  const auto [root_end, path_at] =
      std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return root_end == root.end();
}

class FolderScan {
 public:
  explicit FolderScan(const fs::path& root) : root_(root) {}

  std::vector<fs::path> run() {
    std::error_code error;
    canonical_root_ = fs::canonical(root_, error);
    if (!error && fs::is_directory(canonical_root_, error)) {
      visit(root_, canonical_root_, 0);
    }
    return std::move(files_);
  }

 private:
  // NOLINTNEXTLINE(misc-no-recursion): bounded by kMaxDepth.
  void visit(const fs::path& folder, const fs::path& canonical, int depth) {
    if (depth > kMaxDepth || !visited_.insert(canonical).second) {
      return;
    }
    for (const fs::path& path : sorted_entries(folder)) {
      std::error_code error;
      const fs::path target = fs::canonical(path, error);
      if (files_.size() >= kMaxFiles) {
        return;
      }
      if (error) {
        add_dangling(path);
        continue;
      }
      if (fs::is_directory(target, error)) {
        if (is_below(target, canonical_root_)) {
          visit(path, target, depth + 1);
        }
      } else if (has_gguf_extension(path) && fs::is_regular_file(target, error) &&
                 visited_.insert(target).second) {
        files_.push_back(path);
      }
    }
  }

  // A link to nowhere was a model once: its reader will say what is wrong.
  void add_dangling(const fs::path& path) {
    std::error_code error;
    if (has_gguf_extension(path) && fs::is_symlink(path, error)) {
      files_.push_back(path);
    }
  }

  // Real entries before links, so that a file is listed under its own name.
  static std::vector<fs::path> sorted_entries(const fs::path& folder) {
    std::error_code error;
    std::vector<std::pair<bool, fs::path>> entries;
    for (fs::directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
         !error && it != fs::directory_iterator(); it.increment(error)) {
      std::error_code ignored;
      entries.emplace_back(it->is_symlink(ignored), it->path());
    }
    std::ranges::sort(entries);
    std::vector<fs::path> paths;
    paths.reserve(entries.size());
    for (auto& [is_link, path] : entries) {
      paths.push_back(std::move(path));
    }
    return paths;
  }

  fs::path root_;
  fs::path canonical_root_;
  std::set<fs::path> visited_;  // canonical paths of folders and files
  std::vector<fs::path> files_;
};

// Keeps of each split set the part with the lowest number.
std::vector<fs::path> without_later_parts(const std::vector<fs::path>& files) {
  std::map<std::string, std::pair<uint64_t, fs::path>> first_parts;
  std::vector<fs::path> kept;
  for (const fs::path& path : files) {
    const auto split = parse_split_name(path.filename().string());
    if (!split) {
      kept.push_back(path);
      continue;
    }
    const std::string set =
        (path.parent_path() / split->base).string() + '/' + std::to_string(split->n);
    const auto [it, is_new] = first_parts.try_emplace(set, split->i, path);
    if (!is_new && split->i < it->second.first) {
      it->second = {split->i, path};
    }
  }
  for (auto& [set, part] : first_parts) {
    kept.push_back(std::move(part.second));
  }
  return kept;
}

std::string name_below(const fs::path& path, const fs::path& root) {
  const auto split = parse_split_name(path.filename().string());
  const fs::path folder = path.parent_path().lexically_relative(root);
  const std::string stem = split ? split->base : path.stem().string();
  return (folder == "." ? fs::path(stem) : folder / stem).generic_string();
}

ModelFileKind kind_of(const ModelCard& card) {
  const std::string_view type = card.string("general.type").value_or("");
  if (type == "mmproj" || card.architecture() == "clip") {
    return ModelFileKind::projector;
  }
  if (type == "adapter") {
    return ModelFileKind::adapter;
  }
  return card.tensors().empty() ? ModelFileKind::vocabulary : ModelFileKind::model;
}

}  // namespace

std::string_view name(ModelFileKind kind) {
  constexpr std::array<std::string_view, 4> names = {"model", "projector", "adapter", "vocabulary"};
  return names[static_cast<size_t>(kind)];
}

std::vector<ModelEntry> find_model_files(const fs::path& root) {
  std::vector<ModelEntry> entries;
  for (const fs::path& path : without_later_parts(FolderScan(root).run())) {
    entries.push_back({.name = name_below(path, root), .path = path});
  }
  std::ranges::sort(entries, {}, &ModelEntry::name);
  return entries;
}

std::string quantisation_label(const ModelCard& card) {
  if (card.tensors().empty()) {
    return "";
  }
  // The bit says that the number was guessed from the tensors.
  constexpr uint64_t guessed = 1024;
  const auto file_type = card.u64("general.file_type");
  if (const auto label = file_type ? file_type_name(*file_type & ~guessed) : std::nullopt) {
    return std::string(*label);
  }
  std::array<uint64_t, kDTypeCount> n_elements{};
  for (const TensorInfo& tensor : card.tensors()) {
    n_elements[static_cast<size_t>(tensor.dtype)] += tensor.shape.n_elements().value_or(0);
  }
  const auto most = std::ranges::max_element(n_elements) - n_elements.begin();
  return std::string(name(static_cast<DType>(most)));
}

ModelSummary summarise(const ModelCard& card) {
  ModelSummary summary{.kind = kind_of(card),
                       .n_bytes = 0,
                       .architecture = std::string(card.architecture()),
                       .quantisation = quantisation_label(card),
                       .n_parameters = card.n_parameters(),
                       .error = ""};
  for (const fs::path& path : card.files()) {
    std::error_code error;
    const uint64_t n_bytes = fs::file_size(path, error);
    summary.n_bytes += error ? 0 : n_bytes;
  }
  return summary;
}

ModelSummary summarise(const fs::path& path) {
  const auto card = read_model_card(path);
  if (card) {
    return summarise(*card);
  }
  ModelSummary broken;
  std::error_code unknown;
  const uint64_t n_bytes = fs::file_size(path, unknown);
  broken.n_bytes = unknown ? 0 : n_bytes;
  Error error = card.error();
  // Lists show it beside the model's name and path.
  error.file = fs::path(error.file).filename().string();
  broken.error = error.to_string();
  return broken;
}

}  // namespace quern
