#include "text/detokenizer.h"

#include <utility>

#include "text/utf8.h"

namespace quern {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, const DetokenizerOptions& options)
    : tokenizer_(&tokenizer),
      min_tokens_(options.min_tokens),
      skip_special_(options.skip_special),
      strip_(options.at_text_start && tokenizer.strips_leading_space()) {
  StopStrings stops;
  std::vector<std::string> texts;
  for (const std::string& stop : options.stop) {
    texts.push_back(as_valid_utf8(stop));  // as what is emitted, to be found in it
    stops.n_bytes.push_back(texts.back().size());
  }
  stops.finder = AhoCorasick(texts);
  stops_ = std::make_shared<const StopStrings>(std::move(stops));
}

Detokenizer::Chunk Detokenizer::push(TokenId token) {
  if (stop_) {
    return {.text = {}, .stop = stop_};
  }
  ++n_tokens_;
  const TokenType type = tokenizer_->type(token);
  const bool is_special = type == TokenType::control || type == TokenType::unknown;
  if (is_special && skip_special_) {
    return {};
  }
  std::string_view bytes = tokenizer_->token_bytes(token);
  if (strip_ && !is_special && bytes.starts_with(' ')) {
    bytes.remove_prefix(1);
  }
  strip_ = false;
  take(bytes, false);
  return release(stops_->finder.depth(state_));
}

Detokenizer::Chunk Detokenizer::flush() {
  if (!stop_) {
    take({}, true);
  }
  return release(0);
}

// Emits all of held_ but its last `n_kept` bytes; after a stop, held_ is what comes before it.
Detokenizer::Chunk Detokenizer::release(size_t n_kept) {
  Chunk chunk{.text = {}, .stop = stop_};
  if (stop_ || n_kept == 0) {
    chunk.text = std::exchange(held_, {});
  } else {
    chunk.text = held_.substr(0, held_.size() - n_kept);
    held_.erase(0, chunk.text.size());
  }
  return chunk;
}

void Detokenizer::take(std::string_view bytes, bool at_end) {
  partial_ += bytes;
  std::string_view rest = partial_;
  while (!rest.empty()) {
    const Utf8Char c = decode_utf8(rest);
    if (c.truncated && !at_end) {
      break;
    }
    if (take_char(c.valid ? rest.substr(0, c.n_bytes) : kReplacementUtf8)) {
      return;
    }
    rest.remove_prefix(c.n_bytes);
  }
  partial_.erase(0, partial_.size() - rest.size());
}

// True when a stop string is complete.
bool Detokenizer::take_char(std::string_view character) {
  held_ += character;
  for (const char c : character) {
    state_ = stops_->finder.step(state_, static_cast<uint8_t>(c));
  }
  const int32_t found = stops_->finder.longest_match(state_);
  if (found == AhoCorasick::kNoPattern || n_tokens_ <= min_tokens_) {
    return false;
  }
  stop_ = static_cast<size_t>(found);
  held_.resize(held_.size() - stops_->n_bytes[*stop_]);
  partial_.clear();
  return true;
}

}  // namespace quern
