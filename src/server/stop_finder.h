// StopFinder: which of a request's stop strings ended an answer; dialects that tell it need it.
// Not thread-safe; one per answer. Owns the strings and the answer's last bytes; borrows the
// tokenizer that its texts name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/openai_answer.h"

namespace quern::server {

class StopFinder {
 public:
  StopFinder(std::vector<std::string> stops, TokenTexts texts);

  void add(const GenerationEvent& event);
  // None when the model ended by itself, or for another reason.
  const std::optional<std::string>& matched() const { return matched_; }

 private:
  size_t earliest_for(const std::string& stop) const;

  std::vector<std::string> stops_;
  TokenTexts texts_;
  size_t longest_ = 0;
  size_t n_before_ = 0;        // bytes of tail_ before the last token's
  bool ended_itself_ = false;  // the last token was an end of the model's own
  std::string tail_;  // enough of what was drawn to hold a stop string that ends in the last token
  std::optional<std::string> matched_;
};

}  // namespace quern::server
