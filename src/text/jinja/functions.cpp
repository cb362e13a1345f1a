// Global functions, and the methods of what they make.
#include <array>

#include "text/jinja/native.h"
#include "text/jinja/params.h"
#include "text/jinja/print.h"
#include "text/jinja/strftime.h"
#include "text/jinja/tables.h"

namespace quern::jinja {

// A name of its own, because several files define a `join` or a `count`.
namespace global_functions {
namespace {

Result<Value> make_range(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "range",
                                                   .names = {"start", "stop", "step"},
                                                   .n_required = 1}));
  QUERN_ASSIGN(const int64_t first, p.integer(0));
  if (!p.given(1)) {
    return call.runtime.range(0, first, 1);
  }
  QUERN_ASSIGN(const int64_t stop, p.integer(1));
  QUERN_ASSIGN(const int64_t step, p.integer(2, 1));
  return call.runtime.range(first, stop, step);
}

// The entries of dict(mapping or pairs, **named).
Result<Dict> collect_entries(const Call& call) {
  if (call.args.positional.size() > 1) {
    return raise("dict expected at most 1 argument, got " +
                 std::to_string(call.args.positional.size()));
  }
  Dict entries;
  if (!call.args.positional.empty() && call.args.positional[0].is(Kind::dict)) {
    QUERN_TRY(call.runtime.reserve(call.args.positional[0].entries().heap_bytes()));
    QUERN_TRY(call.runtime.spend(call.args.positional[0].entries().size() * cost::kItem));
    entries = call.args.positional[0].entries();
  } else if (!call.args.positional.empty()) {
    QUERN_ASSIGN(const std::vector<Value> pairs, call.runtime.collect(call.args.positional[0]));
    for (const Value& pair : pairs) {
      QUERN_ASSIGN(const std::vector<Value> parts, call.runtime.collect(pair));
      if (parts.size() != 2) {
        return raise("dictionary update sequence elements must be pairs of a key and a value");
      }
      QUERN_TRY(call.runtime.check_hashable(parts[0]));
      QUERN_TRY(call.runtime.set(entries, parts[0], parts[1]));
    }
  }
  for (const auto& [name, value] : call.args.named) {
    QUERN_TRY(call.runtime.set(entries, Value::string(name), value));
  }
  return entries;
}

Result<Value> make_dict(const Call& call) {
  QUERN_ASSIGN(Dict entries, collect_entries(call));
  return call.runtime.dict(std::move(entries));
}

Result<Value> make_namespace(const Call& call) {
  auto space = std::make_shared<NamespaceObject>();
  QUERN_ASSIGN(space->attributes, collect_entries(call));
  QUERN_TRY(call.runtime.charge(*space, space->attributes.heap_bytes()));
  QUERN_TRY(call.runtime.keep(space));
  return Value::object(Kind::name_space, std::move(space));
}

Result<Value> make_cycler(const Call& call) {
  if (call.args.positional.empty()) {
    return raise("at least one item has to be provided");
  }
  QUERN_ASSIGN(const Value items, call.runtime.tuple(call.args.positional));
  auto cycler = std::make_shared<CyclerObject>();
  cycler->items = items.items();
  cycler->depth = items.depth();
  QUERN_TRY(call.runtime.charge(*cycler, cycler->items.capacity() * sizeof(Value)));
  return Value::object(Kind::cycler, std::move(cycler));
}

Result<Value> make_joiner(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "joiner", .names = {"sep"}}));
  auto joiner = std::make_shared<JoinerObject>();
  joiner->separator = p.given(0) ? p[0] : Value::string(", ");
  joiner->depth = joiner->separator.depth() + 1;
  QUERN_TRY(call.runtime.check_depth(joiner->depth));
  call.runtime.adopt(*joiner, 0);
  return Value::object(Kind::joiner, std::move(joiner));
}

constexpr size_t kMaxMessageBytes = 10'000;  // of an error, which goes to a log or a terminal

Result<Value> raise_exception(const Call& call) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "raise_exception", .names = {"message"}, .n_required = 1}));
  QUERN_ASSIGN(const Value message, to_text(call.runtime, p[0]));
  std::string_view text = message.text();
  if (text.size() <= kMaxMessageBytes) {
    return raise(std::string(text));
  }
  text = text.substr(0, kMaxMessageBytes);
  return raise(std::string(text) + "...");
}

Result<Value> strftime_now(const Call& call) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "strftime_now", .names = {"format"}, .n_required = 1}));
  QUERN_ASSIGN(const std::string_view format, p.text(0));
  constexpr size_t kMaxFormatBytes = 10'000;
  if (format.size() > kMaxFormatBytes) {
    return raise("the format of strftime_now is too long",
                 "at most " + std::to_string(kMaxFormatBytes) + " bytes");
  }
  // The slowest directives cost a few hundred.
  QUERN_TRY(call.runtime.spend(format.size() * 500));
  return call.runtime.string(format_time(format, call.runtime.now()));
}

Result<Value> cycler_next(const Call& call) {
  auto& cycler = call.self.as<CyclerObject>();
  Value item = cycler.items[cycler.next];
  cycler.next = (cycler.next + 1) % cycler.items.size();
  return item;
}

Result<Value> cycler_reset(const Call& call) {
  call.self.as<CyclerObject>().next = 0;
  return Value::none();
}

constexpr std::array<Builtin, 7> kFunctions = {{
    {"range", make_range},
    {"dict", make_dict},
    {"namespace", make_namespace},
    {"cycler", make_cycler},
    {"joiner", make_joiner},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
}};

constexpr std::array<Builtin, 2> kCyclerMethods = {{
    {"next", cycler_next},
    {"reset", cycler_reset},
}};

}  // namespace
}  // namespace global_functions

std::span<const Builtin> functions() {
  return global_functions::kFunctions;
}

std::span<const Builtin> cycler_methods() {
  return global_functions::kCyclerMethods;
}

}  // namespace quern::jinja
