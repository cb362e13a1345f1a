/* Continues a text with a model, and prints the answer as it comes.
 *
 *   cc complete.c $(pkg-config --cflags --libs quern) -o complete
 *   ./complete model.gguf "Once upon a time" 64
 */
#include <stdio.h>
#include <stdlib.h>

#include "quern/quern.h"

static int print_text(void* user, const char* text, size_t n_bytes) {
  (void)user;
  /* A result other than 0 ends the answer: nobody reads it any more. */
  return fwrite(text, 1, n_bytes, stdout) == n_bytes && fflush(stdout) == 0 ? 0 : 1;
}

static int report(quern_error* error) {
  fprintf(stderr, "%s\n", quern_error_message(error));
  quern_error_free(error);
  return 1;
}

static int complete(quern_model* model, const char* prompt, uint32_t max_tokens) {
  quern_generate_options options;
  quern_generate_options_init(model, &options);
  options.prompt = prompt;
  options.max_tokens = max_tokens;
  options.temperature = 0;
  options.on_text = print_text;

  quern_request* request = NULL;
  quern_error* error = quern_generate(model, &options, &request);
  if (error != NULL) {
    return report(error);
  }
  quern_result result;
  error = quern_wait(request, &result);
  quern_request_free(request);
  if (error != NULL) {
    return report(error);
  }
  fprintf(stderr, "%u tokens in, %u out\n", result.prompt_tokens, result.completion_tokens);
  return 0;
}

int main(int n_words, char** words) {
  if (n_words < 3) {
    fprintf(stderr, "usage: complete MODEL.gguf PROMPT [MAX_TOKENS]\n");
    return 2;
  }
  const unsigned long max_tokens = n_words > 3 ? strtoul(words[3], NULL, 10) : 0;
  quern_model* model = NULL;
  quern_error* error = quern_model_load(words[1], NULL, &model);
  if (error != NULL) {
    return report(error);
  }
  const int code = complete(model, words[2], (uint32_t)max_tokens);
  quern_model_free(model);
  return code;
}
