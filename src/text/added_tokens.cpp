#include "text/added_tokens.h"

#include <algorithm>
#include <utility>

namespace quern {

namespace {

// C's isspace in the "C" locale, which is what the strip rules of published models mean.
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, std::vector<std::string> texts)
    : tokens_(std::move(tokens)) {
  std::vector<uint32_t> all;
  std::vector<uint32_t> always;
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    all.push_back(i);
    if (tokens_[i].always) {
      always.push_back(i);
    }
  }
  all_ = make_finder(all, texts);
  always_ = make_finder(always, texts);
}

AddedTokens::Finder AddedTokens::make_finder(const std::vector<uint32_t>& chosen,
                                             const std::vector<std::string>& texts) {
  Finder finder;
  std::vector<std::string> reversed;
  for (const uint32_t i : chosen) {
    finder.tokens.push_back(i);
    finder.n_bytes.push_back(static_cast<uint32_t>(texts[i].size()));
    reversed.emplace_back(texts[i].rbegin(), texts[i].rend());
  }
  finder.reversed = AhoCorasick(reversed);
  return finder;
}

// Read backwards, the longest reversed pattern that ends at a place is the longest pattern that
// starts there: one linear pass answers "what starts where".
std::vector<AddedTokens::Start> AddedTokens::find_starts(const Finder& finder,
                                                         std::string_view text) {
  std::vector<Start> starts;
  if (finder.tokens.empty()) {
    return starts;
  }
  AhoCorasick::State state = AhoCorasick::kStart;
  for (size_t i = text.size(); i-- > 0;) {
    state = finder.reversed.step(state, static_cast<uint8_t>(text[i]));
    const int32_t pattern = finder.reversed.longest_match(state);
    if (pattern != AhoCorasick::kNoPattern) {
      starts.push_back({i, static_cast<uint32_t>(pattern)});
    }
  }
  std::ranges::reverse(starts);
  return starts;
}

std::vector<AddedTokens::Match> AddedTokens::find(std::string_view text, bool parse_special) const {
  const Finder& finder = parse_special ? all_ : always_;
  std::vector<Match> matches;
  size_t free_from = 0;  // everything before belongs to an earlier match
  for (const Start& start : find_starts(finder, text)) {
    if (start.at < free_from) {
      continue;
    }
    const AddedToken& token = tokens_[finder.tokens[start.pattern]];
    Match match{start.at, start.at + finder.n_bytes[start.pattern], token.id};
    while (token.lstrip && match.begin > free_from && is_space(text[match.begin - 1])) {
      --match.begin;
    }
    while (token.rstrip && match.end < text.size() && is_space(text[match.end])) {
      ++match.end;
    }
    free_from = match.end;
    matches.push_back(match);
  }
  return matches;
}

}  // namespace quern
