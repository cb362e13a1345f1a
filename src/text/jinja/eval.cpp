// Expressions.
#include <utility>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/print.h"

namespace quern::jinja {

Result<Value> Interpreter::eval(const Expr& expr) {
  if (expr.kind == ExprKind::constant) {
    return expr.constant;
  }
  QUERN_TRY(runtime_.step());
  if (depth_ >= runtime_.limits().eval_depth) {
    return raise_at(expr.line, "the template recurses too deeply",
                    "at most " + std::to_string(runtime_.limits().eval_depth) + " levels");
  }
  ++depth_;
  auto value = eval_node(expr);
  --depth_;
  if (!value) {
    return std::unexpected(at_line(std::move(value).error(), expr.line));
  }
  return value;
}

Result<Value> Interpreter::eval_node(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::constant:
      return expr.constant;
    case ExprKind::name:
      return lookup(expr.name);
    case ExprKind::list:
    case ExprKind::tuple: {
      QUERN_ASSIGN(std::vector<Value> items, eval_all(expr.operands));
      return expr.kind == ExprKind::list ? runtime_.list(std::move(items))
                                         : runtime_.tuple(std::move(items));
    }
    case ExprKind::dict:
      return eval_dict(expr);
    case ExprKind::attribute:
      return eval_attribute(expr);
    case ExprKind::item:
      return eval_item(expr);
    case ExprKind::slice:
      return eval_slice(expr);
    case ExprKind::call:
      return eval_call(expr, nullptr);
    case ExprKind::filter:
    case ExprKind::test:
      return eval_native(expr);
    case ExprKind::unary:
      return eval_unary(expr);
    case ExprKind::binary:
      return eval_binary(expr);
    case ExprKind::concat:
      return eval_concat(expr);
    case ExprKind::compare:
      return eval_compare(expr);
    case ExprKind::conjunction:
    case ExprKind::disjunction:
      return eval_logic(expr);
    case ExprKind::conditional:
      return eval_conditional(expr);
  }
  return Value::none();
}

Result<std::vector<Value>> Interpreter::eval_all(const std::vector<const Expr*>& exprs) {
  std::vector<Value> values;
  MemoryHold hold(runtime_);
  QUERN_TRY(hold.set(exprs.size() * sizeof(Value)));
  values.reserve(exprs.size());
  for (const Expr* expr : exprs) {
    QUERN_ASSIGN(Value value, eval(*expr));
    values.push_back(std::move(value));
  }
  return values;
}

Result<Value> Interpreter::eval_dict(const Expr& expr) {
  Dict dict;
  MemoryHold hold(runtime_);
  for (size_t i = 0; i < expr.operands.size(); i += 2) {
    QUERN_ASSIGN(Value key, eval(*expr.operands[i]));
    QUERN_ASSIGN(Value value, eval(*expr.operands[i + 1]));
    QUERN_TRY(runtime_.check_hashable(key));
    QUERN_TRY(runtime_.set(dict, std::move(key), std::move(value)));
    QUERN_TRY(hold.set(dict.heap_bytes()));
  }
  hold.release();
  return runtime_.dict(std::move(dict));
}

Result<Value> Interpreter::eval_attribute(const Expr& expr) {
  QUERN_ASSIGN(const Value object, eval(*expr.operands[0]));
  if (object.is(Kind::loop)) {
    QUERN_ASSIGN(std::optional<Value> value, loop_attribute(object, expr.constant.text()));
    return value ? std::move(*value) : runtime_.undefined_member(object, expr.constant);
  }
  return get_attribute(runtime_, object, expr.constant);
}

Result<Value> Interpreter::eval_item(const Expr& expr) {
  QUERN_ASSIGN(const Value object, eval(*expr.operands[0]));
  QUERN_ASSIGN(const Value key, eval(*expr.operands[1]));
  if (object.is(Kind::loop) && key.is(Kind::string)) {
    QUERN_ASSIGN(std::optional<Value> value, loop_attribute(object, key.text()));
    return value ? std::move(*value) : runtime_.undefined_member(object, key);
  }
  return get_item(runtime_, object, key);
}

Result<std::optional<int64_t>> Interpreter::eval_bound(const Expr* expr) {
  if (expr == nullptr) {
    return std::optional<int64_t>();
  }
  QUERN_ASSIGN(const Value value, eval(*expr));
  if (value.is(Kind::none)) {
    return std::optional<int64_t>();
  }
  if (!value.is_integral()) {
    return raise("slice indices must be integers or None or have an __index__ method");
  }
  return std::optional(value.as_integer());
}

Result<Value> Interpreter::eval_slice(const Expr& expr) {
  QUERN_ASSIGN(const Value object, eval(*expr.operands[0]));
  SliceBounds bounds;
  QUERN_ASSIGN(bounds.start, eval_bound(expr.operands[1]));
  QUERN_ASSIGN(bounds.stop, eval_bound(expr.operands[2]));
  QUERN_ASSIGN(bounds.step, eval_bound(expr.operands[3]));
  return slice(runtime_, object, bounds);
}

Status Interpreter::append_star(Args& args, const Value& value) {
  if (!iterable(value)) {
    return raise("argument after * must be an iterable, not " + std::string(type_name(value)));
  }
  QUERN_ASSIGN(const std::vector<Value> items, runtime_.collect(value));
  QUERN_TRY(runtime_.reserve_items(args.positional.size() + items.size()));
  args.positional.insert(args.positional.end(), items.begin(), items.end());
  return {};
}

Status Interpreter::append_star_star(Args& args, const Value& value) {
  if (!value.is(Kind::dict)) {
    return raise("argument after ** must be a mapping, not " + std::string(type_name(value)));
  }
  const size_t n_named = args.named.size() + value.entries().size();
  QUERN_TRY(runtime_.spend(cost::weigh(value.weight())));
  QUERN_TRY(runtime_.reserve_items(n_named * 4));
  args.named.reserve(n_named);
  for (const Dict::Entry& entry : value.entries()) {
    if (!entry.key.is(Kind::string)) {
      return raise("keywords must be strings");
    }
    QUERN_TRY(runtime_.reserve(entry.key.text().size()));
    args.named.emplace_back(std::string(entry.key.text()), entry.value);
  }
  return {};
}

namespace {

size_t heap_bytes(const Args& args) {
  size_t n_bytes = args.positional.capacity() * sizeof(Value) +
                   args.named.capacity() * sizeof(std::pair<std::string, Value>);
  for (const auto& [name, value] : args.named) {
    n_bytes += name.size();
  }
  return n_bytes;
}

}  // namespace

// `hold` counts the arguments for as long as the caller keeps them.
Result<Args> Interpreter::eval_arguments(const Arguments& arguments, MemoryHold& hold) {
  Args args;
  QUERN_ASSIGN(args.positional, eval_all(arguments.positional));
  QUERN_TRY(hold.set(heap_bytes(args)));
  for (const auto& [name, expr] : arguments.named) {
    QUERN_ASSIGN(Value value, eval(*expr));
    args.named.emplace_back(name, std::move(value));
  }
  if (arguments.star != nullptr) {
    QUERN_ASSIGN(const Value value, eval(*arguments.star));
    QUERN_TRY(append_star(args, value));
  }
  if (arguments.star_star != nullptr) {
    QUERN_ASSIGN(const Value value, eval(*arguments.star_star));
    QUERN_TRY(append_star_star(args, value));
  }
  QUERN_TRY(runtime_.spend(args.named.size() * args.named.size() * cost::kItem));
  for (size_t i = 0; i < args.named.size(); ++i) {
    for (size_t j = i + 1; j < args.named.size(); ++j) {
      if (args.named[i].first == args.named[j].first) {
        return raise("keyword argument repeated: " + short_repr(args.named[i].first));
      }
    }
  }
  QUERN_TRY(hold.set(heap_bytes(args)));
  return args;
}

Result<Value> Interpreter::eval_call(const Expr& expr, const Value* caller) {
  QUERN_ASSIGN(const Value callee, eval(*expr.operands[0]));
  if (callee.is(Kind::undefined)) {
    return raise_undefined(callee);
  }
  MemoryHold hold(runtime_);
  QUERN_ASSIGN(Args args, eval_arguments(expr.arguments, hold));
  if (caller != nullptr) {
    args.named.emplace_back("caller", *caller);
  }
  return call(callee, args);
}

Result<Value> Interpreter::eval_native(const Expr& expr) {
  QUERN_ASSIGN(const Value input, eval(*expr.operands[0]));
  if (expr.function == nullptr) {
    return raise_unknown(
        {.filter = expr.kind == ExprKind::filter, .name = expr.constant.text(), .end = " found."});
  }
  MemoryHold hold(runtime_);
  QUERN_ASSIGN(const Args args, eval_arguments(expr.arguments, hold));
  QUERN_TRY(runtime_.step());
  return expr.function({runtime_, input, args});
}

// The filters of a filter or set block, the innermost of which has no operand.
Result<Value> Interpreter::eval_filter_chain(const Expr& expr, const Value& input) {
  std::vector<const Expr*> filters;
  for (const Expr* filter = &expr; filter != nullptr; filter = filter->operands[0]) {
    filters.push_back(filter);
  }
  Value value = input;
  while (!filters.empty()) {
    const Expr& filter = *filters.back();
    filters.pop_back();
    if (filter.function == nullptr) {
      return raise_unknown({.filter = true, .name = filter.constant.text(), .end = " found."});
    }
    MemoryHold hold(runtime_);
    QUERN_ASSIGN(const Args args, eval_arguments(filter.arguments, hold));
    QUERN_TRY(runtime_.step());
    QUERN_ASSIGN(value, filter.function({runtime_, value, args}));
  }
  return value;
}

Result<Value> Interpreter::eval_unary(const Expr& expr) {
  QUERN_ASSIGN(const Value operand, eval(*expr.operands[0]));
  return unary(expr.operators[0], operand);
}

Result<Value> Interpreter::eval_binary(const Expr& expr) {
  QUERN_ASSIGN(const Value left, eval(*expr.operands[0]));
  QUERN_ASSIGN(const Value right, eval(*expr.operands[1]));
  return binary(runtime_, expr.operators[0], {left, right});
}

Result<Value> Interpreter::eval_concat(const Expr& expr) {
  TextBuilder text(runtime_);
  for (const Expr* operand : expr.operands) {
    QUERN_ASSIGN(const Value value, eval(*operand));
    QUERN_TRY(append_text(text, value));
  }
  return text.value();
}

Result<Value> Interpreter::eval_compare(const Expr& expr) {
  QUERN_ASSIGN(Value left, eval(*expr.operands[0]));
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    QUERN_ASSIGN(Value right, eval(*expr.operands[i + 1]));
    QUERN_ASSIGN(const bool holds, compare(runtime_, expr.operators[i], {left, right}));
    if (!holds) {
      return Value::boolean(false);
    }
    left = std::move(right);
  }
  return Value::boolean(true);
}

// and, or: the operand that decides, not its truth.
Result<Value> Interpreter::eval_logic(const Expr& expr) {
  const bool stops_at = expr.kind == ExprKind::disjunction;
  Value value;
  for (const Expr* operand : expr.operands) {
    QUERN_ASSIGN(value, eval(*operand));
    if (truthy(value) == stops_at) {
      break;
    }
  }
  return value;
}

Result<Value> Interpreter::eval_conditional(const Expr& expr) {
  QUERN_ASSIGN(const Value condition, eval(*expr.operands[1]));
  if (truthy(condition)) {
    return eval(*expr.operands[0]);
  }
  if (expr.operands[2] != nullptr) {
    return eval(*expr.operands[2]);
  }
  return runtime_.undefined("the inline if-expression on line " + std::to_string(expr.line) +
                            " evaluated to false and no else section was defined.");
}

}  // namespace quern::jinja
