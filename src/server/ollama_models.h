// /api/tags, /api/show, /api/ps and /api/version: what Ollama's clients ask about models.
// The pure functions make their shapes. Source: Ollama's docs/api.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "gguf/model_card.h"
#include "gguf/scan.h"
#include "server/exchange.h"
#include "server/json.h"
#include "server/ollama_time.h"
#include "server/server_context.h"

namespace quern::server {

// "134.52M", "8.03B"; "" for none.
std::string parameter_size(uint64_t n_parameters);

// {"parent_model","format","family","families","parameter_size","quantization_level"}
Json model_details(const ModelSummary& summary);

// 64 hexadecimal digits: the file's SHA-256 where its name says it (Ollama's own blobs), else a
// hash of its path, size and time, which changes when the file does.
std::string model_digest(const std::filesystem::path& path);

// When the file was written; 1970 where that cannot be told.
WallTime file_time(const std::filesystem::path& path);

// Everything in the file's metadata; lists of more than a few entries are null unless `verbose`.
Json model_info(const ModelCard& card, bool verbose);

Task ollama_version(Exchange& exchange, ServerContext& context);
Task ollama_tags(Exchange& exchange, ServerContext& context);
Task ollama_show(Exchange& exchange, ServerContext& context);
Task ollama_ps(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
