// Discovery: the models on this machine, whoever put them there: the model store, folders of the
// user's choice, and what Ollama, LM Studio, the Hugging Face hub and llama.cpp keep on disk.
// Stateless; looks at the disk on each call and reads no environment: places are passed in.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/scan.h"

namespace quern {

// Where programs keep things for this user. An absent override means that program's default below
// `home`; an empty path names no place at all.
struct HostPaths {
  std::filesystem::path home;
  std::filesystem::path model_store;                   // Quern's own
  std::vector<std::filesystem::path> folders;          // further ones that the user named
  std::optional<std::filesystem::path> ollama_models;  // OLLAMA_MODELS
  std::optional<std::filesystem::path> hf_hub_cache;   // HF_HUB_CACHE
  std::optional<std::filesystem::path> hf_home;        // HF_HOME: its hub/
  std::optional<std::filesystem::path> llama_cache;    // LLAMA_CACHE
  std::optional<std::filesystem::path> xdg_cache_home;
  // Where Ollama's system service keeps its models.
  std::filesystem::path system_ollama = "/usr/share/ollama/.ollama/models";
};

enum class ModelSource { store, folder, ollama, lm_studio, hugging_face, llama_cpp };
// "store", "folder", "ollama", "lm-studio", "hugging-face", "llama.cpp"
std::string_view name(ModelSource source);

struct FoundModel {
  std::string name;            // unique in the list, and UTF-8; what a user types
  std::filesystem::path path;  // may be missing on disk when `error` says so
  ModelSource source = ModelSource::store;
  std::string error;  // why the program's own records do not lead to a file; usually empty
};

// Every model found, by source and name; a file that two places share is listed once. Opens no
// model file: summarise() tells what each is.
std::vector<FoundModel> list_models(const HostPaths& host);

// An error for the first of host.folders that is no readable folder: the user named it, so nothing
// there is not what was meant. The other places may well be missing.
Status check_folders(const HostPaths& host);

// The file that a user means: a path to a file, or a name of list_models (in any case where that is
// unambiguous; ":latest" counts for nothing). Otherwise not_found, with the nearest names, or
// invalid_input where there is something of that path that is no file.
Result<std::filesystem::path> resolve_model(std::string_view name_or_path, const HostPaths& host);

}  // namespace quern
