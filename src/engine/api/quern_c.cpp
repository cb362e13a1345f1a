// The C API: handles and codes around library_model.h. Nothing is thrown out of here.
#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include "base/system_info.h"
#include "engine/api/library_model.h"
#include "engine/plain_prompt.h"
#include "engine/sampling_defaults.h"
#include "quern/quern.h"

struct quern_error {
  quern_code code = QUERN_OK;
  std::string message;
};
struct quern_model {
  std::shared_ptr<quern::library::LibraryModel> model;  // requests see whether it is still there
};
struct quern_request {
  std::unique_ptr<quern::library::LibraryRequest> request;
};

namespace quern::library {
namespace {

quern_code code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_input:
    case ErrorKind::usage:
      return QUERN_INVALID_INPUT;
    case ErrorKind::not_found:
      return QUERN_NOT_FOUND;
    case ErrorKind::unsupported:
      return QUERN_UNSUPPORTED;
    case ErrorKind::out_of_memory:
      return QUERN_OUT_OF_MEMORY;
    case ErrorKind::io:
      return QUERN_IO;
    case ErrorKind::device:
      return QUERN_DEVICE;
    case ErrorKind::cancelled:
      return QUERN_CANCELLED;
  }
  return QUERN_DEVICE;
}

// Made before it is needed, since it must not take memory then. Freeing it does nothing.
quern_error memory_is_short{QUERN_OUT_OF_MEMORY,
                            "[library] memory is short; expected a retry later"};

quern_error* new_error(quern_code code, std::string_view message) noexcept {
  try {
    return new quern_error{code, std::string(message)};
  } catch (...) {
    return &memory_is_short;
  }
}

// Runs a function that returns a Status; its error, or what it throws, becomes the caller's.
template <typename Function>
quern_error* guarded(const Function& function) noexcept {
  try {
    const Status status = function();
    return status ? nullptr : new_error(code_of(status.error().kind), status.error().to_string());
  } catch (const std::bad_alloc&) {
    return &memory_is_short;
  } catch (const std::exception& e) {
    return new_error(QUERN_DEVICE, e.what());
  } catch (...) {
    return new_error(QUERN_DEVICE, "[library] an unknown failure");
  }
}

std::unexpected<Error> bad_argument(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "library",
               .what = std::move(what),
               .expected = std::move(expected)});
}

// A caller's struct as this library knows it: an older program's is shorter, and what it lacks
// keeps the default.
template <typename Options>
Result<Options> known_part(const Options& given, Options defaults) {
  if (given.struct_size < sizeof(given.struct_size) || given.struct_size > sizeof(Options)) {
    return bad_argument("an options struct of a size that this library does not know",
                        "one filled by its init function, and no newer header than the library");
  }
  std::memcpy(&defaults, &given, given.struct_size);
  return defaults;
}

Result<std::vector<TokenId>> prompt_of(const LoadedModel& model,
                                       const quern_generate_options& options) {
  if ((options.prompt == nullptr) == (options.messages == nullptr)) {
    return bad_argument("neither or both of prompt and messages are given", "one of them");
  }
  if (options.prompt != nullptr) {
    return raw_prompt(model, options.prompt);
  }
  if (model.chat_template() == nullptr) {
    return fail({.kind = ErrorKind::unsupported,
                 .where = "library",
                 .what = "the model " + why_no_template(model),
                 .expected = "a prompt instead of messages"});
  }
  std::vector<ChatMessage> messages;
  for (size_t i = 0; i < options.n_messages; ++i) {
    const quern_message& message = options.messages[i];
    if (message.role == nullptr || message.content == nullptr) {
      return bad_argument("a message without role or content", "both");
    }
    messages.push_back({.role = message.role, .content = message.content});
  }
  return chat_prompt(model, std::move(messages));
}

SamplingParams sampling_of(const LoadedModel& model, const quern_generate_options& options) {
  SamplingParams params = sampling_defaults(model.card(), SamplingCustom::terminal);
  params.temperature = options.temperature;
  params.top_k = options.top_k;
  params.top_p = options.top_p;
  params.min_p = options.min_p;
  params.repetition_penalty = options.repetition_penalty;
  params.seed = options.has_seed != 0 ? options.seed : drawn_seed();
  return params;
}

Result<Request> request_of(LibraryModel& model, const quern_generate_options& options) {
  Request request;
  QUERN_ASSIGN(request.prompt, prompt_of(model.loaded(), options));
  request.sampling = sampling_of(model.loaded(), options);
  request.max_tokens = options.max_tokens != 0 ? options.max_tokens : model.engine().max_context();
  for (size_t i = 0; options.stop != nullptr && i < options.n_stop; ++i) {
    if (options.stop[i] == nullptr) {
      return bad_argument("a stop text that is NULL", "a text");
    }
    request.stop.emplace_back(options.stop[i]);
  }
  request.priority = options.priority;
  if (options.timeout_ms != 0) {
    request.deadlines.total_us = monotonic_us() + int64_t{options.timeout_ms} * 1000;
  }
  return request;
}

quern_generate_options generate_defaults(const LoadedModel& model) {
  const SamplingParams params = sampling_defaults(model.card(), SamplingCustom::terminal);
  quern_generate_options options{};
  options.struct_size = sizeof(options);
  options.temperature = params.temperature;
  options.top_k = params.top_k;
  options.top_p = params.top_p;
  options.min_p = params.min_p;
  options.repetition_penalty = params.repetition_penalty;
  return options;
}

quern_load_options load_defaults() {
  quern_load_options options{};
  options.struct_size = sizeof(options);
  options.max_requests = 16;
  return options;
}

LibraryRequest::OnText text_callback(const quern_generate_options& options) {
  if (options.on_text == nullptr) {
    return nullptr;
  }
  return [call = options.on_text, user = options.user](std::string_view text) {
    return call(user, text.data(), text.size()) == 0;
  };
}

quern_finish finish_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return QUERN_FINISH_STOP;
    case FinishReason::length:
      return QUERN_FINISH_LENGTH;
    case FinishReason::timeout:
      return QUERN_FINISH_TIMEOUT;
    default:
      return QUERN_FINISH_CANCELLED;
  }
}

quern_result result_of(const AnswerEnd& end) {
  const RequestUsage& usage = end.usage;
  quern_result result{};
  result.finish = finish_of(end.finish);
  result.prompt_tokens = usage.prompt_tokens;
  result.cached_tokens = usage.cached_tokens;
  result.completion_tokens = usage.completion_tokens;
  result.seed = end.seed;
  result.first_token_us =
      usage.first_token_us == kNever ? -1 : usage.first_token_us - usage.arrival_us;
  result.total_us = usage.finished_us - usage.arrival_us;
  return result;
}

// An older program's struct is shorter.
void write_stats(const quern_stats& full, quern_stats& out) {
  const size_t n_bytes = std::min(out.struct_size, sizeof(full));
  if (n_bytes > sizeof(full.struct_size)) {
    std::memcpy(reinterpret_cast<std::byte*>(&out) + sizeof(full.struct_size),
                reinterpret_cast<const std::byte*>(&full) + sizeof(full.struct_size),
                n_bytes - sizeof(full.struct_size));
  }
}

}  // namespace
}  // namespace quern::library

using namespace quern;           // NOLINT(google-build-using-namespace): only entry points follow
using namespace quern::library;  // NOLINT(google-build-using-namespace)

extern "C" {

const char* quern_version(void) {
  return QUERN_VERSION;
}

quern_code quern_error_code(const quern_error* error) {
  return error == nullptr ? QUERN_OK : error->code;
}

const char* quern_error_message(const quern_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}

void quern_error_free(quern_error* error) {
  if (error != &memory_is_short) {
    delete error;
  }
}

void quern_load_options_init(quern_load_options* options) {
  *options = load_defaults();
}

quern_error* quern_model_load(const char* path, const quern_load_options* options,
                              quern_model** model) {
  return guarded([&]() -> Status {
    if (path == nullptr || model == nullptr) {
      return bad_argument("a path or a place for the model is NULL", "both");
    }
    quern_load_options o = load_defaults();
    if (options != nullptr) {
      QUERN_ASSIGN(o, known_part(*options, o));
    }
    LibraryLoad load{.path = path,
                     .n_threads = o.n_threads,
                     .max_context = o.context_tokens,
                     .max_seqs = o.max_requests,
                     .kv_bytes = o.kv_bytes};
    if (o.on_progress != nullptr) {
      load.progress = [call = o.on_progress, user = o.user](uint64_t done, uint64_t total) {
        call(user, done, total);
      };
    }
    QUERN_ASSIGN(auto loaded, LibraryModel::load(std::move(load)));
    *model = new quern_model{std::move(loaded)};
    return {};
  });
}

void quern_model_free(quern_model* model) {
  delete model;
}

uint32_t quern_context_tokens(const quern_model* model) {
  return model->model->engine().max_context();
}

size_t quern_embedding_size(const quern_model* model) {
  return model->model->loaded().model().config().d_model;
}

void quern_generate_options_init(const quern_model* model, quern_generate_options* options) {
  *options = generate_defaults(model->model->loaded());
}

quern_error* quern_generate(quern_model* model, const quern_generate_options* options,
                            quern_request** request) {
  return guarded([&]() -> Status {
    if (model == nullptr || options == nullptr || request == nullptr) {
      return bad_argument("a model, its options or a place for the request is NULL", "all of them");
    }
    LibraryModel& m = *model->model;
    QUERN_ASSIGN(const quern_generate_options o,
                 known_part(*options, generate_defaults(m.loaded())));
    QUERN_ASSIGN(Request wanted, request_of(m, o));
    auto handle = std::make_unique<quern_request>();
    QUERN_ASSIGN(handle->request,
                 LibraryRequest::start(model->model, std::move(wanted), text_callback(o)));
    *request = handle.release();
    return {};
  });
}

void quern_cancel(quern_request* request) {
  request->request->cancel();
}

quern_error* quern_wait(quern_request* request, quern_result* result) {
  const AnswerEnd* end = nullptr;
  quern_error* error = guarded([&]() -> Status {
    if (request == nullptr) {
      return bad_argument("the request is NULL", "one that quern_generate made");
    }
    end = &request->request->wait();
    return {};
  });
  if (error != nullptr) {
    return error;
  }
  if (end->finish == FinishReason::error) {
    return new_error(code_of(end->error_kind), end->error);
  }
  if (result != nullptr) {
    *result = result_of(*end);
  }
  return nullptr;
}

void quern_request_free(quern_request* request) {
  delete request;
}

quern_error* quern_embed(quern_model* model, const char* text, float* values) {
  return guarded([&]() -> Status {
    if (model == nullptr || text == nullptr || values == nullptr) {
      return bad_argument("a model, a text or a place for the values is NULL", "all of them");
    }
    QUERN_ASSIGN(const std::vector<float> embedding, model->model->embed(text));
    std::ranges::copy(embedding, values);
    return {};
  });
}

void quern_get_stats(const quern_model* model, quern_stats* stats) {
  const EngineSnapshot snapshot = model->model->engine().snapshot();
  quern_stats full{};
  full.steps = snapshot.stats.n_steps;
  full.prompt_tokens = snapshot.stats.n_prompt_tokens;
  full.generated_tokens = snapshot.stats.n_generated_tokens;
  full.cache_query_tokens = snapshot.stats.n_cache_query_tokens;
  full.cache_hit_tokens = snapshot.stats.n_cache_hit_tokens;
  full.preemptions = snapshot.stats.n_preemptions;
  full.running = snapshot.n_running;
  full.waiting = snapshot.n_waiting;
  full.weights_bytes = snapshot.weights_bytes;
  full.kv_bytes = snapshot.kv_bytes;
  full.activations_bytes = snapshot.activations_bytes;
  write_stats(full, *stats);
}

}  // extern "C"
