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
  const bool is_text = event.token && !texts_.is_end(event.token->token);
  if (is_text) {
    tail_.erase(0, tail_.size() - std::min(tail_.size(), longest_));
    tail_ += event.token->bytes;
  }
  if (event.finish != FinishReason::stop || !is_text) {
    return;
  }
  // The one that begins first, as the text was cut there.
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t at = tail_.find(stop);
    if (at < first) {
      first = at;
      matched_ = stop;
    }
  }
}

}  // namespace quern::server
