/* Quern's C API: a model in GGUF format, loaded into this process, that answers prompts.
 *
 * Threads. A model may be used from any number of threads at once; their requests are computed
 * together, and each gets the bytes that it would get alone. One thread at a time waits for a given
 * request; quern_cancel may be called from any. The callbacks of a request run inside quern_wait,
 * on its thread. quern_model_free and quern_request_free end an object: no other call on it may be
 * going on or follow.
 *
 * Errors. Functions that can fail return NULL on success, else an error with a code and one line
 * for people; the caller frees it. An output parameter is set only on success. Nothing is thrown,
 * and no signal is touched.
 *
 * Structs with options begin with their size, so that a program goes on working with a newer
 * library that knows more fields: fill them with their init function, then change what you want.
 *
 * Texts are UTF-8 and end with a zero byte. Strings passed in are copied and need to live during
 * the call only.
 */
#ifndef QUERN_QUERN_H_
#define QUERN_QUERN_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define QUERN_API __attribute__((visibility("default")))
#else
#define QUERN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum quern_code {
  QUERN_OK = 0,
  QUERN_INVALID_INPUT = 1, /* a file, prompt or parameter is at fault */
  QUERN_NOT_FOUND = 2,     /* the file named does not exist */
  QUERN_UNSUPPORTED = 3,   /* valid, but outside what this build can do */
  QUERN_OUT_OF_MEMORY = 4, /* memory is short, or the queue is full: a retry may succeed */
  QUERN_IO = 5,            /* the machine could not read */
  QUERN_DEVICE = 6,        /* a computation failed */
  QUERN_CANCELLED = 7      /* the caller, or the model's end, ended it */
} quern_code;

typedef struct quern_error quern_error;
QUERN_API quern_code quern_error_code(const quern_error* error); /* of NULL: QUERN_OK */
/* One line, "[where] what; expected ...", for as long as the error lives. */
QUERN_API const char* quern_error_message(const quern_error* error);
QUERN_API void quern_error_free(quern_error* error); /* NULL is fine */

/* A loaded model with its engine. */
typedef struct quern_model quern_model;
/* One answer being made. */
typedef struct quern_request quern_request;

/* "0.1.0" */
QUERN_API const char* quern_version(void);

/* ---- loading ---- */

typedef struct quern_load_options {
  size_t struct_size;
  uint32_t n_threads; /* 0: the cores that affinity and cgroup quota allow */
  uint32_t
      context_tokens;    /* longest prompt and answer together; 0: the model's, as memory allows */
  uint32_t max_requests; /* computed together, 1 to 4096; more of them wait */
  uint64_t
      kv_bytes; /* memory for keys and values; 0: as the above need, at most half of what is free */
  /* Called on the loading thread as weights are read; may be NULL. */
  void (*on_progress)(void* user, uint64_t bytes_done, uint64_t bytes_total);
  void* user;
} quern_load_options;

QUERN_API void quern_load_options_init(quern_load_options* options);

/* Loads the .gguf file at `path` (the first one of a split set stands for all). `options` may be
 * NULL. Takes seconds for a large model. */
QUERN_API quern_error* quern_model_load(const char* path, const quern_load_options* options,
                                        quern_model** model);

/* Ends the model; its requests that still run are cancelled, and must be freed too, before or
 * after. NULL is fine. */
QUERN_API void quern_model_free(quern_model* model);

/* Tokens that a prompt and its answer may have together. */
QUERN_API uint32_t quern_context_tokens(const quern_model* model);
/* Numbers in an embedding. */
QUERN_API size_t quern_embedding_size(const quern_model* model);

/* ---- answers ---- */

typedef struct quern_message {
  const char* role; /* "system", "user" or "assistant" */
  const char* content;
} quern_message;

typedef struct quern_generate_options {
  size_t struct_size;
  /* What is answered, one of the two. A prompt is continued as it stands: text of special tokens is
   * read as these tokens, and a beginning token is put before it where the model wants one. Of a
   * conversation the assistant's next message is made, through the model's chat template
   * (QUERN_UNSUPPORTED when it has none). */
  const char* prompt;
  const quern_message* messages;
  size_t n_messages;
  uint32_t max_tokens; /* 0: as the context allows */
  float temperature;   /* 0: always the likeliest token */
  int32_t top_k;       /* draw from the k likeliest; 0 is off */
  float top_p;         /* draw from the likeliest that reach this probability; 1 is off */
  float min_p;         /* leave out what is less likely than this times the likeliest; 0 is off */
  float repetition_penalty; /* 1 is off */
  int has_seed;             /* 0: one is drawn; the result tells it */
  uint64_t seed;            /* the same seed gives the same answer */
  const char* const* stop;  /* the answer ends before the first of these texts; may be NULL */
  size_t n_stop;
  int32_t priority;    /* lower is served earlier */
  uint32_t timeout_ms; /* for the whole request; 0: none */
  /* Called inside quern_wait with each piece of the answer: whole characters, not ended by a zero.
   * A result other than 0 cancels the request. May be NULL. */
  int (*on_text)(void* user, const char* text, size_t n_bytes);
  void* user;
} quern_generate_options;

/* No prompt, and this model's defaults: what its file recommends, else temperature 0.8, top_k 40,
 * top_p 0.9. */
QUERN_API void quern_generate_options_init(const quern_model* model,
                                           quern_generate_options* options);

/* Starts a request. */
QUERN_API quern_error* quern_generate(quern_model* model, const quern_generate_options* options,
                                      quern_request** request);

/* Ends the request soon; quern_wait then tells QUERN_FINISH_CANCELLED. Nothing happens when it has
 * ended. */
QUERN_API void quern_cancel(quern_request* request);

typedef enum quern_finish {
  QUERN_FINISH_STOP = 0,      /* the model, or a stop text, ended it */
  QUERN_FINISH_LENGTH = 1,    /* max_tokens or the context is used up */
  QUERN_FINISH_CANCELLED = 2, /* by the caller, or the model's end */
  QUERN_FINISH_TIMEOUT = 3    /* its time was up */
} quern_finish;

typedef struct quern_result {
  quern_finish finish;
  uint32_t prompt_tokens;
  uint32_t cached_tokens; /* of the prompt: known from earlier requests, not computed again */
  uint32_t completion_tokens;
  uint64_t seed;
  int64_t first_token_us; /* microseconds from the request to its first token; -1: there was none */
  int64_t total_us;       /* to its end */
} quern_result;

/* Calls on_text with what there is and what comes, until the request has ended. `result` may be
 * NULL. Fails with what the request failed of, after the pieces that came before that. */
QUERN_API quern_error* quern_wait(quern_request* request, quern_result* result);

/* Ends the object; a request that still runs is cancelled. NULL is fine. */
QUERN_API void quern_request_free(quern_request* request);

/* ---- embeddings ---- */

/* The embedding of `text`: the mean of its tokens' last hidden states, scaled to length 1. Writes
 * quern_embedding_size() numbers to `values`. */
QUERN_API quern_error* quern_embed(quern_model* model, const char* text, float* values);

/* ---- numbers ---- */

typedef struct quern_stats {
  size_t struct_size;
  uint64_t steps;
  uint64_t prompt_tokens; /* computed */
  uint64_t generated_tokens;
  uint64_t cache_query_tokens; /* of prompts, looked up in the prefix cache */
  uint64_t cache_hit_tokens;   /* and found */
  uint64_t preemptions;
  uint32_t running;
  uint32_t waiting;
  uint64_t weights_bytes;
  uint64_t kv_bytes; /* of blocks ever used */
  uint64_t activations_bytes;
} quern_stats;

/* As of the engine's last step. Set stats->struct_size to sizeof(quern_stats) before. */
QUERN_API void quern_get_stats(const quern_model* model, quern_stats* stats);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* QUERN_QUERN_H_ */
