// Where the golden inputs lie, and how a test skips visibly without them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace quern::test {

// $QUERN_GOLDEN, or ../shared/golden seen from the project's root. May not exist.
std::filesystem::path golden_dir();

// $QUERN_DEMO_MODEL, or the demo model in the model store. May not exist.
std::filesystem::path demo_model_path();

// True when `path` exists. When it does not, prints the reason, counts a golden skip, and fails the
// running test if QUERN_REQUIRE_GOLDEN=1.
bool golden_available(const std::filesystem::path& path);

std::string read_text(const std::filesystem::path& path);
std::vector<std::byte> read_bytes(const std::filesystem::path& path);
std::vector<float> read_f32(const std::filesystem::path& path);
nlohmann::json read_json(const std::filesystem::path& path);

// sum((got - want)^2) / sum(want^2); infinity when the lengths differ or a value is not finite.
double nmse(const std::vector<float>& got, const std::vector<float>& want);

}  // namespace quern::test

// Skips the running test, with the reason printed, when a golden file is missing.
#define QUERN_NEED_GOLDEN(path)                           \
  do {                                                    \
    if (!::quern::test::golden_available(path)) {         \
      GTEST_SKIP() << "golden input missing: " << (path); \
    }                                                     \
  } while (false)
