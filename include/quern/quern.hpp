// Quern's C++ API: a model in GGUF format, loaded into this process, that answers prompts. C++23.
// A thin, header-only layer over the C API (quern.h): only C symbols cross into the library, so any
// compiler's programs may use it.
//
// Thread-safe as quern.h says: a Model is used from any number of threads; an Answer is waited for
// by one at a time and cancelled from any. Errors are values (std::expected); nothing is thrown,
// except by callbacks of yours.
#pragma once

#include <cstdint>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quern/quern.h"

namespace quern::api {

struct Error {
  quern_code code = QUERN_OK;
  std::string message;  // one line, "[where] what; expected ..."
};
template <typename T>
using Expected = std::expected<T, Error>;

struct LoadOptions {
  uint32_t n_threads = 0;       // 0: the cores that affinity and cgroup quota allow
  uint32_t context_tokens = 0;  // 0: the model's, as memory allows
  uint32_t max_requests = 16;   // computed together; more of them wait
  uint64_t kv_bytes = 0;        // 0: as the above need, at most half of what is free
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)> on_progress = {};
};

// What is absent is the model's default.
struct GenerateOptions {
  std::optional<uint32_t> max_tokens = {};  // absent: as the context allows
  std::optional<float> temperature = {};
  std::optional<int32_t> top_k = {};
  std::optional<float> top_p = {};
  std::optional<float> min_p = {};
  std::optional<float> repetition_penalty = {};
  std::optional<uint64_t> seed = {};  // absent: drawn; Result tells it
  std::vector<std::string> stop = {};
  int32_t priority = 0;     // lower is served earlier
  uint32_t timeout_ms = 0;  // 0: none
  // Each piece of the answer, whole characters, inside wait(). False cancels the request.
  std::function<bool(std::string_view text)> on_text = {};
};

struct Message {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

struct Result {
  std::string text;
  quern_result numbers{};
};

namespace detail {

struct Free {
  void operator()(quern_error* error) const { quern_error_free(error); }
  void operator()(quern_model* model) const { quern_model_free(model); }
  void operator()(quern_request* request) const { quern_request_free(request); }
};

inline std::unexpected<Error> taken(quern_error* error) {
  const std::unique_ptr<quern_error, Free> owned(error);
  return std::unexpected(
      Error{.code = quern_error_code(error), .message = quern_error_message(error)});
}

// What a request writes to while it is waited for.
struct Sink {
  std::string text;
  std::function<bool(std::string_view)> on_text;
  std::exception_ptr thrown;
};

// An exception must not pass through the C library: it ends the request and is thrown again after.
inline int put(void* user, const char* text, size_t n_bytes) {
  Sink& sink = *static_cast<Sink*>(user);
  try {
    sink.text.append(text, n_bytes);
    return !sink.on_text || sink.on_text({text, n_bytes}) ? 0 : 1;
  } catch (...) {
    sink.thrown = std::current_exception();
    return 1;
  }
}

}  // namespace detail

// One answer being made. Move-only; its end cancels what still runs.
class Answer {
 public:
  void cancel() { quern_cancel(request_.get()); }

  // Waits for the end, calling on_text meanwhile. To be called once.
  Expected<Result> wait() {
    Result result;
    quern_error* error = quern_wait(request_.get(), &result.numbers);
    if (sink_->thrown) {
      detail::Free{}(error);
      std::rethrow_exception(std::exchange(sink_->thrown, nullptr));
    }
    if (error != nullptr) {
      return detail::taken(error);
    }
    result.text = std::move(sink_->text);
    return result;
  }

 private:
  friend class Model;
  Answer(quern_request* request, std::unique_ptr<detail::Sink> sink)
      : sink_(std::move(sink)), request_(request) {}

  std::unique_ptr<detail::Sink> sink_;
  std::unique_ptr<quern_request, detail::Free> request_;
};

// A loaded model with its engine. Move-only; its end cancels its requests.
class Model {
 public:
  static Expected<Model> load(const std::string& path, const LoadOptions& options = {}) {
    quern_load_options o;
    quern_load_options_init(&o);
    o.n_threads = options.n_threads;
    o.context_tokens = options.context_tokens;
    o.max_requests = options.max_requests;
    o.kv_bytes = options.kv_bytes;
    if (options.on_progress) {
      o.user = const_cast<LoadOptions*>(&options);
      o.on_progress = [](void* user, uint64_t done, uint64_t total) {
        static_cast<const LoadOptions*>(user)->on_progress(done, total);
      };
    }
    quern_model* model = nullptr;
    if (quern_error* error = quern_model_load(path.c_str(), &o, &model)) {
      return detail::taken(error);
    }
    return Model(model);
  }

  uint32_t context_tokens() const { return quern_context_tokens(model_.get()); }

  // Starts to continue `prompt` as it stands.
  Expected<Answer> generate(const std::string& prompt, const GenerateOptions& options = {}) {
    quern_generate_options o = c_options(options);
    o.prompt = prompt.c_str();
    return start(o, options);
  }

  // Starts the assistant's next message, through the model's chat template.
  Expected<Answer> chat(const std::vector<Message>& messages, const GenerateOptions& options = {}) {
    std::vector<quern_message> list;
    list.reserve(messages.size() + 1);
    for (const Message& message : messages) {
      list.push_back({message.role.c_str(), message.content.c_str()});
    }
    list.push_back({"", ""});  // so that data() of no messages is no null pointer
    quern_generate_options o = c_options(options);
    o.messages = list.data();
    o.n_messages = messages.size();
    return start(o, options);
  }

  // The mean of the text's last hidden states, scaled to length 1.
  Expected<std::vector<float>> embed(const std::string& text) {
    std::vector<float> values(quern_embedding_size(model_.get()));
    if (quern_error* error = quern_embed(model_.get(), text.c_str(), values.data())) {
      return detail::taken(error);
    }
    return values;
  }

  quern_stats stats() const {
    quern_stats stats{};
    stats.struct_size = sizeof(stats);
    quern_get_stats(model_.get(), &stats);
    return stats;
  }

 private:
  explicit Model(quern_model* model) : model_(model) {}

  quern_generate_options c_options(const GenerateOptions& options) const {
    quern_generate_options o;
    quern_generate_options_init(model_.get(), &o);
    o.max_tokens = options.max_tokens.value_or(o.max_tokens);
    o.temperature = options.temperature.value_or(o.temperature);
    o.top_k = options.top_k.value_or(o.top_k);
    o.top_p = options.top_p.value_or(o.top_p);
    o.min_p = options.min_p.value_or(o.min_p);
    o.repetition_penalty = options.repetition_penalty.value_or(o.repetition_penalty);
    o.has_seed = options.seed ? 1 : 0;
    o.seed = options.seed.value_or(0);
    o.priority = options.priority;
    o.timeout_ms = options.timeout_ms;
    return o;
  }

  Expected<Answer> start(quern_generate_options& o, const GenerateOptions& options) {
    std::vector<const char*> stop;
    for (const std::string& text : options.stop) {
      stop.push_back(text.c_str());
    }
    o.stop = stop.data();
    o.n_stop = stop.size();
    auto sink = std::make_unique<detail::Sink>();
    sink->on_text = options.on_text;
    o.on_text = detail::put;
    o.user = sink.get();
    quern_request* request = nullptr;
    if (quern_error* error = quern_generate(model_.get(), &o, &request)) {
      return detail::taken(error);
    }
    return Answer(request, std::move(sink));
  }

  std::unique_ptr<quern_model, detail::Free> model_;
};

}  // namespace quern::api
