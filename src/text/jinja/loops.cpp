// for blocks and the loop variable.
#include <algorithm>
#include <array>
#include <utility>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"

namespace quern::jinja {

Status Interpreter::run_loop(const Stmt& stmt) {
  QUERN_ASSIGN(const Value iterable, eval(*stmt.expr));
  QUERN_ASSIGN(const std::shared_ptr<LoopObject> loop, start_loop(stmt, iterable));
  return run_loop_items(loop);
}

Result<std::shared_ptr<LoopObject>> Interpreter::start_loop(const Stmt& stmt,
                                                            const Value& iterable) {
  auto loop = std::make_shared<LoopObject>();
  loop->stmt = &stmt;
  loop->outer = scope_;
  QUERN_ASSIGN(loop->items, runtime_.collect(iterable));
  for (const Value& item : loop->items) {
    loop->depth = std::max(loop->depth, item.depth() + 1);
  }
  QUERN_TRY(runtime_.check_depth(loop->depth));
  QUERN_TRY(runtime_.charge(*loop, sizeof(LoopObject) + loop->items.capacity() * sizeof(Value)));
  return loop;
}

Result<bool> Interpreter::passes(LoopObject& loop, const Value& item) {
  if (loop.stmt->test == nullptr) {
    return true;
  }
  auto outer = push_scope(nullptr, loop.outer);
  const Status assigned = assign(loop.stmt->target, item);
  auto condition =
      assigned ? eval(*loop.stmt->test) : Result<Value>(std::unexpected(assigned.error()));
  scope_ = std::move(outer);
  QUERN_TRY(condition);
  return truthy(*condition);
}

Result<std::optional<Value>> Interpreter::peek(LoopObject& loop) {
  while (!loop.after && loop.next < loop.items.size()) {
    QUERN_TRY(runtime_.step());
    Value item = loop.items[loop.next++];
    QUERN_ASSIGN(const bool passed, passes(loop, item));
    if (passed) {
      loop.after = std::move(item);
    }
  }
  return loop.after;
}

Result<bool> Interpreter::advance(LoopObject& loop) {
  QUERN_TRY(peek(loop));
  std::optional<Value> item = std::exchange(loop.after, std::nullopt);
  if (!item) {
    return false;
  }
  ++loop.index0;
  loop.before = std::exchange(loop.current, std::move(*item));
  return true;
}

// Gives the body a fresh scope with the targets and `loop`.
Status Interpreter::enter_iteration(const std::shared_ptr<LoopObject>& loop) {
  push_scope(&loop->stmt->body, loop->outer);
  if (loop->stmt->uses_loop) {
    set_variable(ast_.loop, Value::object(Kind::loop, loop));
  }
  return assign(loop->stmt->target, loop->current);
}

// Runs the body for the next item. Nothing at the end, or how the body ended.
Result<std::optional<Interpreter::Flow>> Interpreter::run_iteration(
    const std::shared_ptr<LoopObject>& loop) {
  QUERN_ASSIGN(const bool found, advance(*loop));
  if (!found) {
    return std::optional<Flow>();
  }
  QUERN_TRY(enter_iteration(loop));
  QUERN_ASSIGN(const Flow flow, run(loop->stmt->body.statements));
  return std::optional(flow);
}

Status Interpreter::run_loop_items(const std::shared_ptr<LoopObject>& loop) {
  const std::shared_ptr<Scope> outer = scope_;
  bool completed = false;  // one iteration at least, without break or continue
  while (true) {
    auto flow = run_iteration(loop);
    scope_ = outer;
    QUERN_TRY(flow);
    if (!*flow || **flow == Flow::break_loop) {
      break;
    }
    completed = completed || **flow == Flow::normal;
  }
  if (!completed && !loop->stmt->otherwise.statements.empty()) {
    QUERN_TRY(run_block(loop->stmt->otherwise));
  }
  return {};
}

Result<int64_t> Interpreter::loop_length(LoopObject& loop) {
  if (loop.known_length) {
    return *loop.known_length;
  }
  auto n_items = static_cast<int64_t>(loop.items.size());
  if (loop.stmt->test != nullptr) {
    // Filters all that is left now, as Jinja does.
    std::vector<Value> rest;
    MemoryHold hold(runtime_);
    QUERN_TRY(hold.set((loop.items.size() - loop.next + 1) * sizeof(Value)));
    rest.reserve(loop.items.size() - loop.next + 1);
    QUERN_TRY(peek(loop));
    while (std::optional<Value> item = std::exchange(loop.after, std::nullopt)) {
      rest.push_back(std::move(*item));
      QUERN_TRY(peek(loop));
    }
    n_items = loop.index0 + 1 + static_cast<int64_t>(rest.size());
    loop.items = std::move(rest);
    loop.next = 0;
    if (!loop.items.empty()) {
      loop.after = loop.items[loop.next++];
    }
  }
  loop.known_length = n_items;
  return n_items;
}

Result<std::optional<Value>> Interpreter::loop_neighbour(LoopObject& loop, std::string_view name) {
  if (name == "previtem") {
    return std::optional(loop.index0 == 0 ? runtime_.undefined("there is no previous item")
                                          : loop.before);
  }
  QUERN_ASSIGN(std::optional<Value> after, peek(loop));
  if (name == "last") {
    return std::optional(Value::boolean(!after));
  }
  return std::optional(after ? *after : runtime_.undefined("there is no next item"));
}

namespace {

Result<Value> loop_cycle(const Call& call) {
  if (call.args.positional.empty()) {
    return raise("no items for cycling given");
  }
  const auto index = static_cast<size_t>(call.self.as<LoopObject>().index0);
  return call.args.positional[index % call.args.positional.size()];
}

Result<Value> loop_changed(const Call& call) {
  auto& loop = call.self.as<LoopObject>();
  const auto& values = call.args.positional;
  if (!loop.last_changed) {
    // From here on the loop may refer to itself.
    QUERN_TRY(call.runtime.keep(call.self.shared()));
  }
  uint64_t weight = 0;
  for (const Value& value : values) {
    weight = saturating_add(weight, value.weight());
  }
  QUERN_TRY(call.runtime.spend(cost::weigh(weight)));
  const bool same = loop.last_changed && loop.last_changed->size() == values.size() &&
                    std::equal(values.begin(), values.end(), loop.last_changed->begin(), equals);
  if (!same) {
    const size_t n_items = loop.items.capacity() + values.size();
    QUERN_TRY(call.runtime.reserve(values.size() * sizeof(Value)));
    loop.last_changed = values;
    call.runtime.adopt(loop, sizeof(LoopObject) + n_items * sizeof(Value));
  }
  return Value::boolean(!same);
}

constexpr std::array<Builtin, 2> kLoopMethods = {
    {{"cycle", loop_cycle}, {"changed", loop_changed}}};

const Builtin* find_loop_method(std::string_view name) {
  const auto* it = std::find_if(kLoopMethods.begin(), kLoopMethods.end(),
                                [&](const Builtin& method) { return method.name == name; });
  return it == kLoopMethods.end() ? nullptr : it;
}

// index, index0, depth and depth0
std::optional<int64_t> loop_place(const LoopObject& loop, std::string_view name) {
  if (name == "index" || name == "index0") {
    return loop.index0 + (name == "index" ? 1 : 0);
  }
  if (name == "depth" || name == "depth0") {
    return loop.depth0 + (name == "depth" ? 1 : 0);
  }
  return std::nullopt;
}

Value loop_method(Runtime& runtime, const Value& self, const Builtin& method) {
  auto object = std::make_shared<FunctionObject>();
  object->name = method.name;
  object->function = method.function;
  object->self = self;
  object->depth = self.depth() + 1;
  runtime.adopt(*object, 0);
  return Value::object(Kind::function, std::move(object));
}

}  // namespace

Result<std::optional<Value>> Interpreter::loop_attribute(const Value& value,
                                                         std::string_view name) {
  auto& loop = value.as<LoopObject>();
  if (const std::optional<int64_t> place = loop_place(loop, name)) {
    return std::optional(Value::integer(*place));
  }
  if (name == "first") {
    return std::optional(Value::boolean(loop.index0 == 0));
  }
  if (name == "last" || name == "previtem" || name == "nextitem") {
    return loop_neighbour(loop, name);
  }
  if (name == "length" || name == "revindex" || name == "revindex0") {
    QUERN_ASSIGN(const int64_t n, loop_length(loop));
    const int64_t passed = name == "length" ? 0 : loop.index0 + (name == "revindex" ? 0 : 1);
    return std::optional(Value::integer(n - passed));
  }
  if (const Builtin* method = find_loop_method(name)) {
    return std::optional(loop_method(runtime_, value, *method));
  }
  return std::optional<Value>();
}

Result<Value> Interpreter::recurse(LoopObject& loop, const Args& args) {
  if (!loop.stmt->recursive) {
    return raise("The loop must have the 'recursive' marker to be called recursively.");
  }
  if (args.positional.size() != 1 || !args.named.empty()) {
    return raise("a recursive loop takes one argument, the items");
  }
  const std::shared_ptr<Scope> caller_scope = std::exchange(scope_, loop.outer);
  auto inner = start_loop(*loop.stmt, args.positional[0]);
  TextBuilder text(runtime_);
  Status status;
  if (inner) {
    (*inner)->depth0 = loop.depth0 + 1;
    TextBuilder* outer_out = std::exchange(out_, &text);
    status = run_loop_items(*inner);
    out_ = outer_out;
  } else {
    status = std::unexpected(std::move(inner).error());
  }
  scope_ = caller_scope;
  QUERN_TRY(std::move(status));
  return text.value();
}

}  // namespace quern::jinja
