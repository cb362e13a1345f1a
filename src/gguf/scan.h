// Finding model files in folders, and saying in a line what each is. Reads headers only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "gguf/model_card.h"

namespace quern {

// A model's place on disk; nothing of it has been read.
struct ModelEntry {
  std::string name;            // the path below the folder, without .gguf and split numbers
  std::filesystem::path path;  // the file, or the first one of a split set
};

enum class ModelFileKind {
  model,
  projector,   // image or audio encoder of another model (mmproj)
  adapter,     // LoRA
  vocabulary,  // no tensors
};
std::string_view name(ModelFileKind kind);

// What a file's header says. A file that cannot be used has its one-line error and nothing else but
// its size.
struct ModelSummary {
  ModelFileKind kind = ModelFileKind::model;
  uint64_t n_bytes = 0;  // of all files of a split set
  std::string architecture;
  std::string quantisation;  // "Q4_K_M", or the type of most of its weights; empty without tensors
  uint64_t n_parameters = 0;
  std::string error;
};

// All .gguf files below `root`, sorted by name; a split set is one entry, and a file that several
// links lead to is listed once. Links to files are followed wherever they lead, links to folders
// only to folders below `root` that were not visited yet; so there is no loop, and no wandering off
// through the machine. A link that leads nowhere is listed, for its error; folders that cannot be
// read are passed over.
std::vector<ModelEntry> find_model_files(const std::filesystem::path& root);

ModelSummary summarise(const std::filesystem::path& path);
ModelSummary summarise(const ModelCard& card);

// general.file_type by its usual name; else the storage type that holds most elements.
std::string quantisation_label(const ModelCard& card);

}  // namespace quern
