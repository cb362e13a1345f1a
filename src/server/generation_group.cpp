#include "server/generation_group.h"

#include <utility>

#include "server/reply.h"

namespace quern::server {
namespace {

// False when the answer is over: an error was sent, or the client is gone.
boost::asio::awaitable<bool> begin(Exchange& exchange, std::optional<ApiError> error,
                                   const EventWriter& writer) {
  if (error) {
    co_await send_error(exchange, std::move(*error), writer.dialect);
    co_return false;
  }
  StreamHead head;
  head.content_type = writer.content_type;
  co_await exchange.begin_stream(std::move(head));
  co_return true;
}

boost::asio::awaitable<bool> write_some(Exchange& exchange, std::string text) {
  if (text.empty()) {
    co_return true;
  }
  const bool is_open = co_await exchange.write(std::move(text));
  co_return is_open;
}

// An error within a stream has no status: it is told in an event, and the stream ends.
std::optional<ApiError> stream_error(const GenerationEvent& event, const ModelLease& lease) {
  return event.finish == FinishReason::error ? finish_error(event, lease) : std::nullopt;
}

std::string error_event(const EventWriter& writer, const ApiError& error) {
  return writer.error ? writer.error(error)
                      : sse_event(std::string_view(error_body(error, writer.dialect)));
}

// What an event comes to: an error, which ends the stream, or text.
struct Piece {
  std::string text;
  bool is_last = false;
};

// False when the answer is over.
boost::asio::awaitable<bool> write_piece(Exchange& exchange, Piece piece) {
  const bool is_open = co_await write_some(exchange, std::move(piece.text));
  if (piece.is_last) {
    co_await exchange.end_stream();
  }
  co_return is_open && !piece.is_last;
}

// An event and the generation, by its place in the group, that it is from.
struct PlacedEvent {
  size_t i_generation = 0;
  GenerationEvent event;
};

// False when the answer is over.
boost::asio::awaitable<bool> show_event(GenerationGroup& group, const EventWriter& writer,
                                        const PlacedEvent& placed) {
  Exchange& exchange = group.exchange();
  const ModelLease& lease = group[placed.i_generation].lease();
  if (!exchange.has_begun()) {
    std::optional<ApiError> error = finish_error(placed.event, lease);
    const bool has_begun = co_await begin(exchange, std::move(error), writer);
    if (!has_begun) {
      co_return false;
    }
  }
  const std::optional<ApiError> error = stream_error(placed.event, lease);
  Piece piece;
  piece.is_last = error.has_value();
  piece.text = error ? error_event(writer, *error) : writer.add(placed.i_generation, placed.event);
  const bool goes_on = co_await write_piece(exchange, std::move(piece));
  co_return goes_on;
}

}  // namespace

GenerationGroup::~GenerationGroup() {
  if (generations_.size() > 1) {
    exchange_.on_client_gone({});
  }
}

void GenerationGroup::add(std::unique_ptr<Generation> generation) {
  generations_.push_back(std::move(generation));
  if (generations_.size() > 1) {
    // There is one listener, and each generation made itself it.
    exchange_.on_client_gone([this] {
      for (const auto& one : generations_) {
        one->cancel();
      }
    });
  }
}

namespace {

// What was computed counts, though nobody is there to read it.
Task cancel_all(GenerationGroup& group) {
  for (size_t i = 0; i < group.size(); ++i) {
    group[i].cancel();
  }
  for (size_t i = 0; i < group.size(); ++i) {
    while (true) {
      const std::optional<GenerationEvent> event = co_await group[i].next();
      if (!event) {
        break;
      }
    }
  }
}

}  // namespace

Task stream_events(GenerationGroup& group, const EventWriter& writer) {
  Exchange& exchange = group.exchange();
  for (size_t i = 0; i < group.size(); ++i) {
    while (true) {
      std::optional<GenerationEvent> event = co_await group[i].next();
      if (!event) {
        break;
      }
      const PlacedEvent placed{.i_generation = i, .event = std::move(*event)};
      const bool goes_on = co_await show_event(group, writer, placed);
      if (!goes_on) {
        co_await cancel_all(group);
        co_return;
      }
    }
  }
  if (!exchange.has_begun()) {  // the client went away
    co_return;
  }
  std::string text = writer.end();
  co_await write_some(exchange, std::move(text));
  co_await exchange.end_stream();
}

}  // namespace quern::server
