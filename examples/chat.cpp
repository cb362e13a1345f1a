// Asks a chat model several questions at once, prints the answers, and says which two questions
// mean the most alike.
//
//   c++ -std=c++23 chat.cpp $(pkg-config --cflags --libs quern) -o chat
//   ./chat model.gguf "Why is the sky blue?" "What makes the sky blue?" "Who wrote Faust?"
#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "quern/quern.hpp"

namespace {

using quern::api::Answer;
using quern::api::Error;
using quern::api::Expected;
using quern::api::Model;

int report(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

// All questions are answered together; each answer is the one that it would be alone.
int answer_all(Model& model, const std::vector<std::string>& questions) {
  std::vector<Answer> answers;
  for (const std::string& question : questions) {
    Expected<Answer> answer = model.chat({{.role = "user", .content = question}},
                                         {.max_tokens = 32, .temperature = 0.0F});
    if (!answer) {
      return report(answer.error());
    }
    answers.push_back(std::move(*answer));
  }
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto result = answers[i].wait();
    if (!result) {
      return report(result.error());
    }
    std::printf("> %s\n%s\n", questions[i].c_str(), result->text.c_str());
  }
  return 0;
}

// Vectors of length 1: their product is the cosine of the angle between them.
int compare(Model& model, const std::vector<std::string>& questions) {
  std::vector<std::vector<float>> vectors;
  for (const std::string& question : questions) {
    auto vector = model.embed(question);
    if (!vector) {
      return report(vector.error());
    }
    vectors.push_back(std::move(*vector));
  }
  float best = -1.0F;
  std::string pair;
  for (size_t i = 0; i < vectors.size(); ++i) {
    for (size_t j = i + 1; j < vectors.size(); ++j) {
      const float cosine =
          std::inner_product(vectors[i].begin(), vectors[i].end(), vectors[j].begin(), 0.0F);
      if (cosine > best) {
        best = cosine;
        pair = "'" + questions[i] + "' and '" + questions[j] + "'";
      }
    }
  }
  if (!pair.empty()) {
    std::printf("most alike: %s (%.3f)\n", pair.c_str(), static_cast<double>(best));
  }
  return 0;
}

}  // namespace

int main(int n_words, char** words) {
  if (n_words < 3) {
    std::fprintf(stderr, "usage: chat MODEL.gguf QUESTION...\n");
    return 2;
  }
  auto model = Model::load(words[1], {.on_progress = [](uint64_t done, uint64_t total) {
                             std::fprintf(stderr, "\rloading: %3.0f%%",
                                          100.0 * static_cast<double>(done) /
                                              static_cast<double>(std::max<uint64_t>(total, 1)));
                           }});
  std::fprintf(stderr, "\n");
  if (!model) {
    return report(model.error());
  }
  const std::vector<std::string> questions(words + 2, words + n_words);
  if (const int code = answer_all(*model, questions); code != 0) {
    return code;
  }
  return compare(*model, questions);
}
