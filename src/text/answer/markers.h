// Finding the fixed texts ("markers") of an answer's format, byte by byte.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern::answer {

using Markers = std::span<const std::string_view>;

inline constexpr int kPartOfMarker = -1;  // it may still become one
inline constexpr int kNoMarker = -2;

// The index of the marker that `text` is, or whether it begins one. `text` is not empty.
int match_marker(std::string_view text, Markers markers);

// Lets a text through up to a marker. Not thread-safe. Owns what it keeps back.
class UntilMarker {
 public:
  // The index of the marker that is complete with `c`, else kPartOfMarker. Appends to `out` what is
  // no part of a marker.
  int push(char c, Markers markers, std::string& out);
  // What was kept back, at the end of the text.
  std::string take_rest();

 private:
  std::string partial_;
};

// White space, then one of the markers. Not thread-safe. Owns what it keeps back.
class ExpectMarker {
 public:
  // The index of the marker that is complete with `c`, kPartOfMarker or kNoMarker. After a marker,
  // or none, it begins anew.
  int push(char c, Markers markers);
  bool in_marker() const { return !partial_.empty(); }

 private:
  std::string partial_;
};

}  // namespace quern::answer
