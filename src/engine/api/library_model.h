// What stands behind the handles of the C API, in C++: a model with its engine, and a request whose
// pieces wait for the thread that asks for them.
// Thread-safe, but one thread at a time waits for a request. A model owns its engine; a request may
// outlive its model, whose end cancels it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine_metrics.h"
#include "engine/engine_thread.h"
#include "engine/loaded_model.h"
#include "engine/request.h"
#include "text/chat_template.h"

namespace quern::library {

struct LibraryLoad {
  std::filesystem::path path;
  uint32_t n_threads = 0;
  uint32_t max_context = 0;
  uint32_t max_seqs = 16;
  uint64_t kv_bytes = 0;
  LoadProgress progress = {};
};

// How a request ended.
struct AnswerEnd {
  FinishReason finish = FinishReason::error;
  RequestUsage usage = {};
  uint64_t seed = 0;
  std::string error;  // a whole line, when finish is error
  ErrorKind error_kind = ErrorKind::device;
};

// Between the engine's thread, which brings the pieces, and the caller's, which takes them.
class AnswerQueue {
 public:
  explicit AnswerQueue(uint64_t seed) : seed_(seed) {}
  void put(const TokenEvent& event);
  // Waits for text or the end; the text since the last call, and the end after the last of it.
  struct Piece {
    std::string text;
    std::optional<AnswerEnd> end;
  };
  Piece take();

 private:
  const uint64_t seed_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  std::optional<AnswerEnd> end_;
};

class LibraryModel {
 public:
  static Result<std::shared_ptr<LibraryModel>> load(LibraryLoad load);

  LoadedModel& loaded() { return *loaded_; }
  EngineThread& engine() { return *engine_; }

  Result<std::vector<float>> embed(std::string_view text);

 private:
  LibraryModel() = default;

  EngineMetrics metrics_;
  std::unique_ptr<LoadedModel> loaded_;
  std::unique_ptr<EngineThread> engine_;
};

class LibraryRequest {
 public:
  // on_text returns true to go on.
  using OnText = std::function<bool(std::string_view text)>;

  static Result<std::unique_ptr<LibraryRequest>> start(const std::shared_ptr<LibraryModel>& model,
                                                       Request request, OnText on_text);
  ~LibraryRequest();

  void cancel();
  // May be called again; the end is the same then.
  const AnswerEnd& wait();

 private:
  LibraryRequest() = default;

  std::weak_ptr<LibraryModel> model_;
  std::shared_ptr<AnswerQueue> queue_;  // shared with the request's callback on the engine's thread
  OnText on_text_;
  SeqId id_{};
  std::optional<AnswerEnd> end_;
};

}  // namespace quern::library
