#include "server/ollama_models.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <limits>
#include <system_error>
#include <utility>

#include "base/system_info.h"
#include "server/offload.h"
#include "server/ollama_time.h"
#include "server/reply.h"
#include "server/servable_models.h"

namespace quern::server {
namespace {

constexpr size_t kDigestChars = 64;
constexpr int64_t kNanosPerMicro = 1000;

// "blobs/sha256-<hex>", as Ollama names what it keeps.
std::optional<std::string> blob_digest(const std::filesystem::path& path) {
  constexpr std::string_view kPrefix = "sha256-";
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + kDigestChars) {
    return std::nullopt;
  }
  return name.substr(kPrefix.size());
}

Json tags_json(const std::vector<ServableModel>& models) {
  Json list = Json::array();
  for (const auto& [found, summary] : models) {
    list.push_back({{"name", found.name},
                    {"model", found.name},
                    {"modified_at", rfc3339(file_time(found.path))},
                    {"size", summary.n_bytes},
                    {"digest", model_digest(found.path)},
                    {"details", model_details(summary)}});
  }
  return {{"models", std::move(list)}};
}

// When its keep-alive ends; far away where it never does, as Ollama writes that too.
WallTime expiry(const ModelStatus& status, WallTime now) {
  if (status.expires_us < 0) {
    return WallTime(std::chrono::nanoseconds(std::numeric_limits<int64_t>::max()));
  }
  const int64_t left_us = std::max<int64_t>(status.expires_us - monotonic_us(), 0);
  constexpr int64_t kMostUs = std::numeric_limits<int64_t>::max() / kNanosPerMicro / 2;
  return now + std::chrono::microseconds(std::min(left_us, kMostUs));
}

Json running_json(const std::vector<ModelStatus>& models) {
  const WallTime now = wall_now();
  Json list = Json::array();
  for (const ModelStatus& status : models) {
    if (status.state != ModelStatus::State::ready) {
      continue;
    }
    list.push_back({{"name", status.name},
                    {"model", status.name},
                    {"size", status.bytes},
                    {"digest", model_digest(status.path)},
                    {"details", model_details(summarise(status.path))},
                    {"expires_at", rfc3339(expiry(status, now))},
                    {"size_vram", 0}});
  }
  return {{"models", std::move(list)}};
}

}  // namespace

WallTime file_time(const std::filesystem::path& path) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) {
    return {};
  }
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(
      std::chrono::file_clock::to_sys(time));
}

std::string parameter_size(uint64_t n_parameters) {
  struct Scale {
    double size;
    std::string_view name;
  };
  constexpr std::array<Scale, 4> kScales = {{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}}};
  const auto number = static_cast<double>(n_parameters);
  for (const Scale& scale : kScales) {
    if (number >= scale.size) {
      return fmt::format("{:.2f}{}", number / scale.size, scale.name);
    }
  }
  return n_parameters == 0 ? "" : std::to_string(n_parameters);
}

Json model_details(const ModelSummary& summary) {
  Json families = Json::array();
  if (!summary.architecture.empty()) {
    families.push_back(summary.architecture);
  }
  return {{"parent_model", ""},
          {"format", "gguf"},
          {"family", summary.architecture},
          {"families", std::move(families)},
          {"parameter_size", parameter_size(summary.n_parameters)},
          {"quantization_level", summary.quantisation}};
}

std::string model_digest(const std::filesystem::path& path) {
  if (auto digest = blob_digest(path)) {
    return *digest;
  }
  std::error_code error;
  const auto n_bytes = std::filesystem::file_size(path, error);
  const std::string text = fmt::format("{}/{}/{}", path.string(), error ? 0 : n_bytes,
                                       file_time(path).time_since_epoch().count());
  const XXH128_hash_t low = XXH3_128bits_withSeed(text.data(), text.size(), 0);
  const XXH128_hash_t high = XXH3_128bits_withSeed(text.data(), text.size(), 1);
  return fmt::format("{:016x}{:016x}{:016x}{:016x}", low.high64, low.low64, high.high64,
                     high.low64);
}

Task ollama_version(Exchange& exchange, ServerContext& /*context*/) {
  Json body = {{"version", QUERN_VERSION}};
  co_await send_json(exchange, std::move(body));
}

Task ollama_tags(Exchange& exchange, ServerContext& context) {
  const std::vector<ServableModel> models = co_await servable_models(context);
  Json body = tags_json(models);
  co_await send_json(exchange, std::move(body));
}

Task ollama_ps(Exchange& exchange, ServerContext& context) {
  std::vector<ModelStatus> models = context.models.status();
  auto work = [owned = std::move(models)] { return running_json(owned); };
  Json body = co_await context.offload.run(0, std::move(work));
  co_await send_json(exchange, std::move(body));
}

}  // namespace quern::server
