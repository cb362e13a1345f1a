// LiveRequests: the requests that have not ended, by the id that clients know them by: those whose
// model still loads, and those on an engine.
// Used on the server's io thread only. Owns its entries; borrows engines, which the entries' owners
// keep alive by their leases.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine_thread.h"

namespace quern::server {

class LiveRequests {
 public:
  struct Entry {
    std::string request_id;
    std::string key_salt = {};  // of whose API key it is; empty without keys
    std::string model;
    int32_t priority = 0;
    int64_t arrival_us = 0;
    uint32_t n_prompt_tokens = 0;
    EngineThread* engine = nullptr;                 // none while the model loads
    const std::vector<SeqId>* sequences = nullptr;  // the owner's, which may grow
    // Tokens of a sequence that the engine has ended, while its client still reads them.
    std::function<uint32_t(SeqId)> n_tokens_of_ended = {};
    std::function<void()> cancel = {};
  };

  // One line of GET /v1/requests. A request with several choices is as far as its furthest one.
  struct Row {
    std::string request_id;
    std::string model;
    LiveRequest::State state = LiveRequest::State::queued;
    int32_t priority = 0;
    uint32_t position = 0;
    uint32_t n_prompt_tokens = 0;
    uint32_t n_completion_tokens = 0;
    int64_t age_us = 0;
  };

  // Listed while it lives. Move-only; must not outlive the registry.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();

   private:
    friend class LiveRequests;
    Ticket(LiveRequests& registry, std::list<Entry>::iterator at) : registry_(&registry), at_(at) {}
    void release();

    LiveRequests* registry_ = nullptr;
    std::list<Entry>::iterator at_;
  };

  Ticket add(Entry entry);
  // Those of one model.
  uint32_t n_of(std::string_view model) const;
  // Those of one API key, in the order of their arrival.
  std::vector<Row> list(std::string_view key_salt, int64_t now_us) const;
  // Cancels the request of that key that has this id, all parts of it; false when there is none.
  struct Name {
    std::string_view key_salt;
    std::string_view request_id;
  };
  bool cancel(const Name& name);
  void cancel_all();

 private:
  std::list<Entry> entries_;
};

}  // namespace quern::server
