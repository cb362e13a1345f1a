#include "text/jinja/interpreter.h"

#include <algorithm>
#include <utility>

#include "text/jinja/builtins.h"
#include "text/jinja/print.h"

namespace quern::jinja {

Interpreter::Interpreter(const Ast& ast, Runtime& runtime, const Dict& context)
    : ast_(ast), runtime_(runtime), context_(context) {}

std::shared_ptr<Scope> Interpreter::push_scope(const Block* block, std::shared_ptr<Scope> parent) {
  auto scope = std::make_shared<Scope>();
  scope->parent = std::move(parent);
  const size_t n_hidden = block != nullptr ? block->hidden.size() : 0;
  scope->variables.reserve(n_hidden);
  for (size_t i = 0; i < n_hidden; ++i) {
    scope->variables.emplace_back(block->hidden[i], Value());
  }
  runtime_.adopt(*scope, n_hidden * sizeof(Scope::Variable));
  runtime_.spend_later(cost::kScope + n_hidden * cost::kItem);
  return std::exchange(scope_, std::move(scope));
}

Result<std::string> Interpreter::render() {
  TextBuilder out(runtime_);
  out_ = &out;
  push_scope(&ast_.root, nullptr);
  auto flow = run(ast_.root.statements);
  scope_.reset();
  if (!flow) {
    return std::unexpected(std::move(flow).error());
  }
  return out.take();
}

Status Interpreter::write(std::string_view text) {
  if (out_->size() + text.size() > runtime_.limits().output_bytes) {
    return raise("the template writes too much text",
                 "at most " + std::to_string(runtime_.limits().output_bytes) + " bytes");
  }
  return out_->append(text);
}

Result<Interpreter::Flow> Interpreter::run(const Statements& statements) {
  for (const Stmt* stmt : statements) {
    auto flow = run_stmt(*stmt);
    if (!flow) {
      return std::unexpected(at_line(std::move(flow).error(), stmt->line));
    }
    if (*flow != Flow::normal) {
      return *flow;
    }
  }
  return Flow::normal;
}

Result<Interpreter::Flow> Interpreter::run_stmt(const Stmt& stmt) {
  QUERN_TRY(runtime_.step());
  if (depth_ >= runtime_.limits().eval_depth) {
    return raise("the template recurses too deeply",
                 "at most " + std::to_string(runtime_.limits().eval_depth) + " levels");
  }
  ++depth_;
  auto flow = dispatch(stmt);
  --depth_;
  return flow;
}

namespace {

template <typename Flow>
Result<Flow> normally(Status status) {
  if (!status) {
    return std::unexpected(std::move(status).error());
  }
  return Flow::normal;
}

}  // namespace

Result<Interpreter::Flow> Interpreter::dispatch(const Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::text:
      return normally<Flow>(write(stmt.text));
    case StmtKind::print:
      return normally<Flow>(run_print(stmt));
    case StmtKind::branches:
      return run_branches(stmt);
    case StmtKind::loop:
      return normally<Flow>(run_loop(stmt));
    case StmtKind::assign:
      return normally<Flow>(run_assign(stmt));
    case StmtKind::assign_block:
      return run_assign_block(stmt);
    case StmtKind::macro:
      return normally<Flow>(define_macro(stmt.macro));
    case StmtKind::call:
      return normally<Flow>(run_call(stmt));
    case StmtKind::filter:
      return run_filter(stmt);
    case StmtKind::with:
      return run_with(stmt);
    case StmtKind::scope:
      return run_block(stmt.body);
    case StmtKind::break_loop:
      return Flow::break_loop;
    case StmtKind::continue_loop:
      return Flow::continue_loop;
  }
  return Flow::normal;
}

Result<Interpreter::Flow> Interpreter::run_block(const Block& block) {
  auto outer = push_scope(&block, scope_);
  auto flow = run(block.statements);
  scope_ = std::move(outer);
  return flow;
}

Result<Interpreter::Flow> Interpreter::run_branches(const Stmt& stmt) {
  for (const Branch& branch : stmt.branches) {
    bool taken = branch.test == nullptr;
    if (!taken) {
      QUERN_ASSIGN(const Value condition, eval(*branch.test));
      taken = truthy(condition);
    }
    if (taken) {
      return run(branch.statements);
    }
  }
  return Flow::normal;
}

Status Interpreter::run_print(const Stmt& stmt) {
  QUERN_ASSIGN(const Value value, eval(*stmt.expr));
  QUERN_ASSIGN(const Value text, to_text(runtime_, value));
  return write(text.text());
}

Result<Value> Interpreter::capture(const Block& block, Flow* flow) {
  TextBuilder text(runtime_);
  TextBuilder* outer = std::exchange(out_, &text);
  auto ended = run_block(block);
  out_ = outer;
  QUERN_ASSIGN(*flow, std::move(ended));
  return text.value();
}

Result<Value> Interpreter::captured_through_filters(const Stmt& stmt, const Value& text) {
  return stmt.expr == nullptr ? text : eval_filter_chain(*stmt.expr, text);
}

Result<Interpreter::Flow> Interpreter::run_filter(const Stmt& stmt) {
  Flow flow = Flow::normal;
  QUERN_ASSIGN(const Value text, capture(stmt.body, &flow));
  if (flow != Flow::normal) {
    return flow;
  }
  QUERN_ASSIGN(const Value value, captured_through_filters(stmt, text));
  QUERN_ASSIGN(const Value result, to_text(runtime_, value));
  return normally<Flow>(write(result.text()));
}

Result<Interpreter::Flow> Interpreter::run_assign_block(const Stmt& stmt) {
  Flow flow = Flow::normal;
  QUERN_ASSIGN(const Value text, capture(stmt.body, &flow));
  if (flow != Flow::normal) {
    return flow;
  }
  QUERN_ASSIGN(const Value value, captured_through_filters(stmt, text));
  QUERN_TRY(check_namespaces(stmt.target));
  return normally<Flow>(assign(stmt.target, value));
}

Result<Interpreter::Flow> Interpreter::run_with(const Stmt& stmt) {
  std::vector<Value> values;
  MemoryHold hold(runtime_);
  QUERN_TRY(hold.set(stmt.assignments.size() * sizeof(Value)));
  values.reserve(stmt.assignments.size());
  for (const auto& [target, expr] : stmt.assignments) {
    QUERN_ASSIGN(Value value, eval(*expr));
    values.push_back(std::move(value));
  }
  auto outer = push_scope(&stmt.body, scope_);
  Status assigned;
  for (size_t i = 0; i < values.size() && assigned; ++i) {
    assigned = assign(stmt.assignments[i].first, values[i]);
  }
  auto flow = assigned ? run(stmt.body.statements)
                       : Result<Flow>(std::unexpected(std::move(assigned).error()));
  scope_ = std::move(outer);
  return flow;
}

Status Interpreter::run_assign(const Stmt& stmt) {
  QUERN_TRY(check_namespaces(stmt.target));
  QUERN_ASSIGN(const Value value, eval(*stmt.expr));
  return assign(stmt.target, value);
}

Status Interpreter::check_namespaces(const Target& target) {
  if (target.kind == Target::Kind::attribute && !lookup(target.name).is(Kind::name_space)) {
    return raise("cannot assign attribute on non-namespace object", "namespace(...)");
  }
  for (const Target& part : target.parts) {
    QUERN_TRY(check_namespaces(part));
  }
  return {};
}

Status Interpreter::assign(const Target& target, const Value& value) {
  if (target.kind == Target::Kind::name) {
    set_variable(target.name, value);
    return {};
  }
  if (target.kind == Target::Kind::tuple) {
    return assign_parts(target, value);
  }
  const Value space = lookup(target.name);
  if (!space.is(Kind::name_space)) {
    return raise("cannot assign attribute on non-namespace object", "namespace(...)");
  }
  auto& object = space.as<NamespaceObject>();
  QUERN_TRY(runtime_.set(object.attributes, Value::string(target.attribute), value));
  runtime_.adopt(object, object.attributes.heap_bytes());
  return {};
}

Status Interpreter::assign_parts(const Target& target, const Value& value) {
  if (!iterable(value)) {
    return raise("cannot unpack non-iterable " + std::string(type_name(value)) + " object");
  }
  QUERN_ASSIGN(const std::vector<Value> items, runtime_.collect(value));
  const size_t wanted = target.parts.size();
  if (items.size() > wanted) {
    return raise("too many values to unpack (expected " + std::to_string(wanted) + ")");
  }
  if (items.size() < wanted) {
    return raise("not enough values to unpack (expected " + std::to_string(wanted) + ", got " +
                 std::to_string(items.size()) + ")");
  }
  for (size_t i = 0; i < wanted; ++i) {
    QUERN_TRY(assign(target.parts[i], items[i]));
  }
  return {};
}

Result<Value> Interpreter::make_macro(const Macro& macro) {
  if (!scope_->kept) {
    scope_->kept = true;
    QUERN_TRY(runtime_.keep(scope_));
  }
  auto object = std::make_shared<MacroObject>();
  object->macro = &macro;
  object->scope = scope_;
  QUERN_TRY(runtime_.charge(*object, 0));
  return Value::object(Kind::macro, std::move(object));
}

Status Interpreter::define_macro(const Macro& macro) {
  QUERN_ASSIGN(Value value, make_macro(macro));
  set_variable(macro.id, std::move(value));
  return {};
}

Status Interpreter::run_call(const Stmt& stmt) {
  QUERN_ASSIGN(const Value caller, make_macro(stmt.macro));
  QUERN_ASSIGN(const Value value, eval_call(*stmt.expr, &caller));
  QUERN_ASSIGN(const Value text, to_text(runtime_, value));
  return write(text.text());
}

void Interpreter::set_variable(NameId name, Value value) {
  runtime_.spend_later(scope_->variables.size() * cost::kLook);
  if (Value* old = scope_->find(name)) {
    *old = std::move(value);
    return;
  }
  const size_t capacity = scope_->variables.capacity();
  scope_->variables.emplace_back(name, std::move(value));
  if (scope_->variables.capacity() != capacity) {
    runtime_.adopt(*scope_, scope_->variables.capacity() * sizeof(Scope::Variable));
  }
}

Value Interpreter::lookup(NameId name) {
  for (Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    runtime_.spend_later((1 + scope->variables.size()) * cost::kLook);
    if (const Value* value = scope->find(name)) {
      const bool hidden = value->is(Kind::undefined) && value->heap() == nullptr;
      return hidden ? runtime_.undefined_name(ast_.names[static_cast<size_t>(name)]) : *value;
    }
  }
  const std::string& text = ast_.names[static_cast<size_t>(name)];
  if (const Value* value = context_.find(text)) {
    return *value;
  }
  if (const Builtin* function = find_function(text)) {
    auto object = std::make_shared<FunctionObject>();
    object->name = function->name;
    object->function = function->function;
    runtime_.adopt(*object, 0);
    return Value::object(Kind::function, std::move(object));
  }
  return runtime_.undefined_name(text);
}

Result<Value> Interpreter::call(const Value& callee, const Args& args) {
  switch (callee.kind()) {
    case Kind::function: {
      const auto& function = callee.as<FunctionObject>();
      return function.function({runtime_, function.self, args});
    }
    case Kind::macro:
      return call_macro(callee.as<MacroObject>(), args);
    case Kind::loop:
      return recurse(callee.as<LoopObject>(), args);
    case Kind::joiner: {
      auto& joiner = callee.as<JoinerObject>();
      return std::exchange(joiner.used, true) ? joiner.separator : runtime_.string({});
    }
    case Kind::undefined:
      return raise_undefined(callee);
    default:
      return raise("'" + std::string(type_name(callee)) + "' object is not callable");
  }
}

Result<Value> Interpreter::call_macro(const MacroObject& object, const Args& args) {
  const Macro& macro = *object.macro;
  TextBuilder text(runtime_);
  auto outer_scope = push_scope(&macro.body, object.scope);
  TextBuilder* outer_out = std::exchange(out_, &text);
  Status bound = bind_parameters(macro, args);
  if (bound) {
    auto flow = run(macro.body.statements);
    bound = flow ? Status() : Status(std::unexpected(std::move(flow).error()));
  }
  out_ = outer_out;
  scope_ = std::move(outer_scope);
  QUERN_TRY(std::move(bound));
  return text.value();
}

}  // namespace quern::jinja
