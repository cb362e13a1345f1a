// GenerationGroup: the generations of one exchange, one for each of its prompts, running side by
// side.
// Used on the exchange's strand only. Owns the generations; borrows the exchange.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/answer_collector.h"
#include "server/generation.h"

namespace quern::server {

class GenerationGroup {
 public:
  explicit GenerationGroup(Exchange& exchange) : exchange_(exchange) {}
  GenerationGroup(const GenerationGroup&) = delete;
  GenerationGroup& operator=(const GenerationGroup&) = delete;
  ~GenerationGroup();

  void add(std::unique_ptr<Generation> generation);
  Exchange& exchange() const { return exchange_; }
  size_t size() const { return generations_.size(); }
  Generation& operator[](size_t i) { return *generations_[i]; }

 private:
  Exchange& exchange_;
  std::vector<std::unique_ptr<Generation>> generations_;
};

// An answer in pieces, mostly server-sent events, of one generation after the other. Nothing is
// sent before the first event: an error until then has its status, a later one is an event of its
// own.
struct EventWriter {
  // What an event shows, which may be nothing.
  std::function<std::string(size_t i_generation, const GenerationEvent&)> add;
  std::function<std::string()> end;
  Dialect dialect = Dialect::openai;
  // How an error after the first event is told; empty: as an event without a name.
  std::function<std::string(const ApiError&)> error = {};
  std::string content_type = "text/event-stream";
};
Task stream_events(GenerationGroup& group, const EventWriter& writer);

}  // namespace quern::server
