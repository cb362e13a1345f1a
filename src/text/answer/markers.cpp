#include "text/answer/markers.h"

#include <utility>

#include "text/answer/json_scanner.h"

namespace quern::answer {

int match_marker(std::string_view text, Markers markers) {
  int best = kNoMarker;
  for (size_t i = 0; i < markers.size(); ++i) {
    if (markers[i].starts_with(text)) {
      if (markers[i].size() == text.size()) {
        return static_cast<int>(i);
      }
      best = kPartOfMarker;
    }
  }
  return best;
}

int UntilMarker::push(char c, Markers markers, std::string& out) {
  partial_ += c;
  while (!partial_.empty()) {
    const int found = match_marker(partial_, markers);
    if (found >= 0) {
      partial_.clear();
    }
    if (found != kNoMarker) {
      return found;
    }
    out += partial_.front();
    partial_.erase(0, 1);
  }
  return kPartOfMarker;
}

std::string UntilMarker::take_rest() {
  return std::exchange(partial_, {});
}

int ExpectMarker::push(char c, Markers markers) {
  if (partial_.empty() && is_json_space(c)) {
    return kPartOfMarker;
  }
  partial_ += c;
  const int found = match_marker(partial_, markers);
  if (found != kPartOfMarker) {
    partial_.clear();
  }
  return found;
}

}  // namespace quern::answer
