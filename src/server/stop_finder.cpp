#include "server/stop_finder.h"

#include <algorithm>
#include <utility>

namespace quern::server {

StopFinder::StopFinder(std::vector<std::string> stops, TokenTexts texts)
    : stops_(std::move(stops)), texts_(texts) {
  for (const std::string& stop : stops_) {
    longest_ = std::max(longest_, stop.size());
  }
}

void StopFinder::add(const GenerationEvent& event) {
  if (stops_.empty()) {
    return;
  }
  if (event.token) {
    ended_itself_ = texts_.is_end(event.token->token);
    tail_.erase(0, tail_.size() - std::min(tail_.size(), longest_));
    n_before_ = tail_.size();
    tail_ += ended_itself_ ? std::string() : event.token->bytes;
  }
  if (event.finish != FinishReason::stop || ended_itself_) {
    return;
  }
  // The one that begins first, as the text was cut there.
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t at = tail_.find(stop, earliest_for(stop));
    if (at < first) {
      first = at;
      matched_ = stop;
    }
  }
}

// A stop string that ends before the last token did not end the answer: min_tokens was not reached.
size_t StopFinder::earliest_for(const std::string& stop) const {
  return n_before_ - std::min(n_before_, stop.size() - 1);
}

}  // namespace quern::server
