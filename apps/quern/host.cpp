#include "host.h"

#include <cstdlib>

namespace quern::app {
namespace {

// A variable that is set to nothing counts as not set.
std::optional<std::filesystem::path> folder_from(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr || *value == '\0' ? std::nullopt
                                            : std::optional<std::filesystem::path>(value);
}

}  // namespace

HostPaths host_paths(const std::vector<std::string>& folders) {
  HostPaths paths;
  paths.home = folder_from("HOME").value_or("");
  const std::filesystem::path store = paths.home.empty() ? "" : paths.home / ".quern/models";
  paths.model_store = folder_from("QUERN_MODELS").value_or(store);
  paths.folders.assign(folders.begin(), folders.end());
  paths.ollama_models = folder_from("OLLAMA_MODELS");
  paths.hf_hub_cache = folder_from("HF_HUB_CACHE");
  paths.hf_home = folder_from("HF_HOME");
  paths.llama_cache = folder_from("LLAMA_CACHE");
  paths.xdg_cache_home = folder_from("XDG_CACHE_HOME");
  return paths;
}

std::optional<std::string> forced_isa() {
  const char* isa = std::getenv("QUERN_ISA");
  return isa == nullptr || *isa == '\0' ? std::nullopt : std::optional<std::string>(isa);
}

std::string ordered_faults() {
  const char* faults = std::getenv("QUERN_FAIL_POINTS");
  return faults == nullptr ? std::string() : std::string(faults);
}

bool wants_colour() {
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return (refused == nullptr || *refused == '\0') && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

}  // namespace quern::app
