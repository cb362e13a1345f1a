#include "support/golden.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

namespace quern::test {
namespace fs = std::filesystem;

namespace {

int g_golden_run = 0;
int g_golden_skipped = 0;

// Prints the line that tells a reader how much of the golden set was really used.
class GoldenSummary : public ::testing::EmptyTestEventListener {
  void OnTestProgramEnd(const ::testing::UnitTest& /*unit_test*/) override {
    if (g_golden_run + g_golden_skipped > 0) {
      std::printf("golden: %d run, %d skipped\n", g_golden_run, g_golden_skipped);
    }
  }
};

}  // namespace

fs::path golden_dir() {
  if (const char* dir = std::getenv("QUERN_GOLDEN")) {
    return dir;
  }
  return fs::path("..") / "shared" / "golden";
}

fs::path demo_model_path() {
  if (const char* path = std::getenv("QUERN_DEMO_MODEL")) {
    return path;
  }
  const char* store = std::getenv("QUERN_MODELS");
  const char* home = std::getenv("HOME");
  const fs::path root = store != nullptr
                            ? fs::path(store)
                            : fs::path(home != nullptr ? home : "/root") / ".quern/models";
  return root / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

bool golden_available(const fs::path& path) {
  std::error_code ec;
  if (fs::exists(path, ec)) {
    ++g_golden_run;
    return true;
  }
  ++g_golden_skipped;
  const char* require = std::getenv("QUERN_REQUIRE_GOLDEN");
  if (require != nullptr && std::string_view(require) == "1") {
    ADD_FAILURE() << "QUERN_REQUIRE_GOLDEN=1, but there is no " << path;
  }
  return false;
}

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << "cannot read " << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<std::byte> read_bytes(const fs::path& path) {
  const std::string text = read_text(path);
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::vector<float> read_f32(const fs::path& path) {
  const std::string text = read_text(path);
  std::vector<float> values(text.size() / sizeof(float));
  std::memcpy(values.data(), text.data(), values.size() * sizeof(float));
  return values;
}

nlohmann::json read_json(const fs::path& path) {
  return nlohmann::json::parse(read_text(path));
}

double nmse(const std::vector<float>& got, const std::vector<float>& want) {
  if (got.size() != want.size()) {
    return std::numeric_limits<double>::infinity();
  }
  double error = 0;
  double power = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double difference = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    error += difference * difference;
    power += static_cast<double>(want[i]) * static_cast<double>(want[i]);
  }
  return std::isfinite(error) ? error / power : std::numeric_limits<double>::infinity();
}

void install_golden_summary() {
  ::testing::UnitTest::GetInstance()->listeners().Append(new GoldenSummary);
}

}  // namespace quern::test
