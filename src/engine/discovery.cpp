#include "engine/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "engine/model_names.h"
#include "text/printable.h"
#include "text/utf8.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

constexpr uintmax_t kMaxManifestBytes = 1 << 20;

// The folders below `folder`, or the files, sorted by name.
std::vector<fs::path> children(const fs::path& folder, fs::file_type type) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->status(ignored).type() == type) {
      paths.push_back(it->path());
    }
  }
  std::ranges::sort(paths);
  return paths;
}

std::optional<std::string> read_small_file(const fs::path& path) {
  std::error_code error;
  const uintmax_t n_bytes = fs::file_size(path, error);
  if (error || n_bytes > kMaxManifestBytes) {
    return std::nullopt;
  }
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return in.bad() ? std::nullopt : std::optional(std::move(text));
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// "sha256:" and 64 hexadecimal digits; anything else could name a path elsewhere.
bool is_digest(std::string_view text) {
  constexpr std::string_view prefix = "sha256:";
  constexpr size_t n_digits = 64;
  return text.starts_with(prefix) && text.size() == prefix.size() + n_digits &&
         text.substr(prefix.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// `folder` below `base`; no place at all where there is no base.
fs::path below(const fs::path& base, std::string_view folder) {
  return base.empty() ? base : base / folder;
}

// Ollama: manifests/HOST/NAMESPACE/MODEL/TAG are JSON files whose layers name blobs by digest.
class OllamaStore {
 public:
  explicit OllamaStore(fs::path root) : root_(std::move(root)) {}

  std::vector<FoundModel> models() const {
    std::vector<FoundModel> found;
    for (const fs::path& host : children(below(root_, "manifests"), fs::file_type::directory)) {
      for (const fs::path& space : children(host, fs::file_type::directory)) {
        for (const fs::path& model : children(space, fs::file_type::directory)) {
          for (const fs::path& tag : children(model, fs::file_type::regular)) {
            add(tag, found);
          }
        }
      }
    }
    return found;
  }

 private:
  void add(const fs::path& manifest, std::vector<FoundModel>& found) const {
    FoundModel model;
    model.name = name_of(manifest);
    model.path = manifest;
    model.source = ModelSource::ollama;
    const auto text = read_small_file(manifest);
    const auto json = nlohmann::json::parse(text.value_or(""), nullptr, false);
    if (!json.is_object() || !json.contains("layers") || !json["layers"].is_array()) {
      model.error = fmt::format("[ollama] manifest '{}' is broken; expected JSON with layers",
                                manifest.string());
      found.push_back(std::move(model));
      return;
    }
    for (const nlohmann::json& layer : json["layers"]) {
      if (layer.is_object() &&
          text_of(layer, "mediaType") == "application/vnd.ollama.image.model") {
        set_blob(text_of(layer, "digest"), model);
        found.push_back(std::move(model));
        return;
      }
    }
    // A manifest without weights stands for a model that runs elsewhere: nothing to list.
  }

  void set_blob(const std::string& digest, FoundModel& model) const {
    if (!is_digest(digest)) {
      model.error =
          fmt::format("[ollama] digest '{}'; expected sha256 and 64 digits", printable(digest));
      return;
    }
    model.path = root_ / "blobs" / ("sha256-" + digest.substr(digest.find(':') + 1));
    std::error_code error;
    if (!fs::is_regular_file(model.path, error)) {
      model.error = fmt::format("[ollama] blob '{}' is missing; expected a complete download",
                                model.path.string());
    }
  }

  static std::string name_of(const fs::path& manifest) {
    const fs::path model = manifest.parent_path();
    const fs::path space = model.parent_path();
    const std::string host = space.parent_path().filename().string();
    std::string name =
        fmt::format("{}:{}", model.filename().string(), manifest.filename().string());
    if (host != "registry.ollama.ai") {
      return fmt::format("{}/{}/{}", host, space.filename().string(), name);
    }
    return space.filename() == "library" ? name
                                         : fmt::format("{}/{}", space.filename().string(), name);
  }

  fs::path root_;
};

// Hugging Face hub: models--ORG--NAME/snapshots/REVISION/... are links to ../../blobs.
class HubCache {
 public:
  HubCache(fs::path root, ModelSource source) : root_(std::move(root)), source_(source) {}

  std::vector<FoundModel> models() const {
    std::vector<FoundModel> found;
    for (const fs::path& repo : children(root_, fs::file_type::directory)) {
      if (is_repo(repo)) {
        add_repo(repo, found);
      }
    }
    return found;
  }

  static bool is_repo(const fs::path& folder) {
    return folder.filename().string().starts_with(kRepoPrefix);
  }

 private:
  static constexpr std::string_view kRepoPrefix = "models--";

  void add_repo(const fs::path& repo, std::vector<FoundModel>& found) const {
    std::set<std::string> names;
    for (const fs::path& snapshot : snapshots(repo)) {
      for (const ModelEntry& entry : find_model_files(snapshot)) {
        if (names.insert(entry.name).second) {
          found.push_back({.name = fmt::format("{}/{}", repo_name(repo), entry.name),
                           .path = entry.path,
                           .source = source_,
                           .error = ""});
        }
      }
    }
  }

  // The revision that "main" points to comes first: its files win over older ones of their name.
  static std::vector<fs::path> snapshots(const fs::path& repo) {
    std::vector<fs::path> revisions = children(repo / "snapshots", fs::file_type::directory);
    std::string main = read_small_file(repo / "refs/main").value_or("");
    main.erase(std::ranges::find_if(main, [](char c) { return c <= ' '; }), main.end());
    std::ranges::stable_partition(revisions,
                                  [&](const fs::path& path) { return path.filename() == main; });
    return revisions;
  }

  // models--org--name: org/name
  static std::string repo_name(const fs::path& repo) {
    std::string name = repo.filename().string().substr(kRepoPrefix.size());
    const size_t dashes = name.find("--");
    return dashes == std::string::npos ? name : name.replace(dashes, 2, "/");
  }

  fs::path root_;
  ModelSource source_;
};

std::vector<FoundModel> models_below(const fs::path& root, ModelSource source) {
  std::vector<FoundModel> found;
  for (const ModelEntry& entry : find_model_files(root)) {
    found.push_back({.name = entry.name, .path = entry.path, .source = source, .error = ""});
  }
  return found;
}

// Collects models of all places; later ones give way where a file or a name is already listed.
class Catalogue {
 public:
  void add(std::vector<FoundModel> models) {
    for (FoundModel& model : models) {
      std::error_code error;
      fs::path file = fs::weakly_canonical(model.path, error);
      if (error) {
        file = model.path;  // a link that leads to itself
      }
      // Several Ollama names may share a blob, and each is a name that its user knows.
      if (model.source != ModelSource::ollama && !files_.insert(file).second) {
        continue;
      }
      files_.insert(file);
      model.name = as_valid_utf8(model.name);
      model.name = unique_name(model);
      models_.push_back(std::move(model));
    }
  }

  std::vector<FoundModel> take() { return std::move(models_); }

 private:
  // NAME, else NAME@SOURCE, else NAME@SOURCE-2 ...
  std::string unique_name(const FoundModel& model) {
    std::string candidate = model.name;
    for (int i = 1; !names_.insert(candidate).second; ++i) {
      candidate = fmt::format("{}@{}", model.name, name(model.source));
      if (i > 1) {
        candidate += fmt::format("-{}", i);
      }
    }
    return candidate;
  }

  std::set<std::string> names_;
  std::set<fs::path> files_;
  std::vector<FoundModel> models_;
};

fs::path cache_home(const HostPaths& host) {
  return host.xdg_cache_home.value_or(below(host.home, ".cache"));
}

fs::path hub_root(const HostPaths& host) {
  if (host.hf_hub_cache) {
    return *host.hf_hub_cache;
  }
  return below(host.hf_home.value_or(below(cache_home(host), "huggingface")), "hub");
}

std::unexpected<Error> unknown_model(std::string_view wanted,
                                     const std::vector<FoundModel>& models) {
  const std::string suggestions = suggested_names(wanted, models);
  return fail(
      {.kind = ErrorKind::not_found,
       .where = "model",
       .what = fmt::format("no model or file '{}'", printable(wanted, 200)),
       .expected = suggestions.empty()
                       ? "the path of a .gguf file, or a name that `quern list` shows"
                       : fmt::format("{}, or another name that `quern list` shows", suggestions)});
}

// Why what is at this path is nothing to read a model from; empty when nothing is there.
std::string_view kind_of_no_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) {
    return "a folder";
  }
  if (fs::exists(status)) {
    return "not a regular file";
  }
  return fs::is_symlink(fs::symlink_status(path, error)) ? "a link that leads nowhere" : "";
}

std::unexpected<Error> no_file(const fs::path& path, std::string_view kind) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "model",
               .what = fmt::format("'{}' is {}", printable(path.string(), 200), kind),
               .expected = "the path of a .gguf file, or a name that `quern list` shows"});
}

Status check_folder(const fs::path& folder) {
  std::error_code error;
  const fs::directory_iterator entries(folder, error);  // an error unless it can be read
  if (!error) {
    return {};
  }
  return fail({.kind = ErrorKind::not_found,
               .where = "models",
               .what = fmt::format("cannot look into '{}': {}", printable(folder.string(), 200),
                                   error.message()),
               .expected = "a folder with models"});
}

}  // namespace

std::string_view name(ModelSource source) {
  constexpr std::array<std::string_view, 6> names = {"store",     "folder",       "ollama",
                                                     "lm-studio", "hugging-face", "llama.cpp"};
  return names[static_cast<size_t>(source)];
}

std::vector<FoundModel> list_models(const HostPaths& host) {
  Catalogue catalogue;
  catalogue.add(models_below(host.model_store, ModelSource::store));
  for (const fs::path& folder : host.folders) {
    catalogue.add(models_below(folder, ModelSource::folder));
  }
  catalogue.add(
      OllamaStore(host.ollama_models.value_or(below(host.home, ".ollama/models"))).models());
  catalogue.add(OllamaStore(host.system_ollama).models());
  catalogue.add(models_below(below(host.home, ".lmstudio/models"), ModelSource::lm_studio));
  catalogue.add(models_below(below(cache_home(host), "lm-studio/models"), ModelSource::lm_studio));
  catalogue.add(HubCache(hub_root(host), ModelSource::hugging_face).models());
  // llama.cpp keeps flat files here, and newer versions the hub's layout.
  const fs::path llama_cache = host.llama_cache.value_or(below(cache_home(host), "llama.cpp"));
  catalogue.add(HubCache(llama_cache, ModelSource::llama_cpp).models());
  catalogue.add(models_below(llama_cache, ModelSource::llama_cpp));
  return catalogue.take();
}

Status check_folders(const HostPaths& host) {
  for (const fs::path& folder : host.folders) {
    QUERN_TRY(check_folder(folder));
  }
  return {};
}

Result<fs::path> resolve_model(std::string_view name_or_path, const HostPaths& host) {
  fs::path path(name_or_path);
  std::error_code error;
  if (fs::is_regular_file(path, error)) {
    return path;
  }
  const std::vector<FoundModel> models = list_models(host);
  const FoundModel* const model = find_named(models, name_or_path);
  const std::string_view kind = kind_of_no_file(path);
  if (model == nullptr && !kind.empty()) {
    return no_file(path, kind);
  }
  if (model == nullptr) {
    return unknown_model(name_or_path, models);
  }
  if (!model->error.empty()) {
    return fail({.kind = ErrorKind::invalid_input,
                 .where = "model",
                 .what = fmt::format("'{}': {}", model->name, model->error),
                 .expected = ""});
  }
  return model->path;
}

}  // namespace quern
