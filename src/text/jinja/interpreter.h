// Walks a parsed template and writes its text. One Interpreter per render, one thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "text/jinja/ast.h"
#include "text/jinja/loop.h"
#include "text/jinja/native.h"
#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"
#include "text/jinja/text_builder.h"

namespace quern::jinja {

class Interpreter {
 public:
  Interpreter(const Ast& ast, Runtime& runtime, const Dict& context);

  Result<std::string> render();

 private:
  using Statements = std::vector<const Stmt*>;
  // How a list of statements ended.
  enum class Flow { normal, break_loop, continue_loop };

  // Statements; text goes to *out_.
  Result<Flow> run(const Statements& statements);
  Result<Flow> run_stmt(const Stmt& stmt);
  Result<Flow> dispatch(const Stmt& stmt);
  Result<Flow> run_block(const Block& block);
  Result<Flow> run_branches(const Stmt& stmt);
  Result<Flow> run_filter(const Stmt& stmt);
  Result<Flow> run_assign_block(const Stmt& stmt);
  Result<Flow> run_with(const Stmt& stmt);
  // The text that a block writes; *flow says how it ended.
  Result<Value> capture(const Block& block, Flow* flow);
  Result<Value> captured_through_filters(const Stmt& stmt, const Value& text);
  Status run_print(const Stmt& stmt);
  Status write(std::string_view text);
  Status run_assign(const Stmt& stmt);
  Status check_namespaces(const Target& target);
  Status assign(const Target& target, const Value& value);
  Status assign_parts(const Target& target, const Value& value);
  Status define_macro(const Macro& macro);
  Result<Value> make_macro(const Macro& macro);
  Status run_call(const Stmt& stmt);

  // Loops
  Status run_loop(const Stmt& stmt);
  Result<std::shared_ptr<LoopObject>> start_loop(const Stmt& stmt, const Value& iterable);
  Status run_loop_items(const std::shared_ptr<LoopObject>& loop);
  Status enter_iteration(const std::shared_ptr<LoopObject>& loop);
  Result<std::optional<Flow>> run_iteration(const std::shared_ptr<LoopObject>& loop);
  // Moves to the next item that passes the loop's condition; false at the end.
  Result<bool> advance(LoopObject& loop);
  Result<bool> passes(LoopObject& loop, const Value& item);
  Result<std::optional<Value>> peek(LoopObject& loop);
  Result<int64_t> loop_length(LoopObject& loop);
  Result<std::optional<Value>> loop_attribute(const Value& value, std::string_view name);
  Result<std::optional<Value>> loop_neighbour(LoopObject& loop, std::string_view name);
  Result<Value> recurse(LoopObject& loop, const Args& args);

  // Expressions
  Result<Value> eval(const Expr& expr);
  Result<Value> eval_node(const Expr& expr);
  Result<std::vector<Value>> eval_all(const std::vector<const Expr*>& exprs);
  Result<Value> eval_dict(const Expr& expr);
  Result<Value> eval_attribute(const Expr& expr);
  Result<Value> eval_item(const Expr& expr);
  Result<Value> eval_slice(const Expr& expr);
  Result<std::optional<int64_t>> eval_bound(const Expr* expr);
  Result<Value> eval_call(const Expr& expr, const Value* caller);
  Result<Value> eval_native(const Expr& expr);
  Result<Value> eval_filter_chain(const Expr& expr, const Value& input);
  Result<Value> eval_unary(const Expr& expr);
  Result<Value> eval_binary(const Expr& expr);
  Result<Value> eval_concat(const Expr& expr);
  Result<Value> eval_compare(const Expr& expr);
  Result<Value> eval_logic(const Expr& expr);
  Result<Value> eval_conditional(const Expr& expr);
  Result<Args> eval_arguments(const Arguments& arguments, MemoryHold& hold);
  Status append_star(Args& args, const Value& value);
  Status append_star_star(Args& args, const Value& value);

  // Calls
  Result<Value> call(const Value& callee, const Args& args);
  Result<Value> call_macro(const MacroObject& macro, const Args& args);
  Status bind_parameters(const Macro& macro, const Args& args);
  Status bind_special(const Macro& macro, const Args& args);

  Value lookup(NameId name);
  // Pays for the variables of a scope that are looked through; the next step notices too much.
  void set_variable(NameId name, Value value);
  std::shared_ptr<Scope> push_scope(const Block* block, std::shared_ptr<Scope> parent);

  const Ast& ast_;
  Runtime& runtime_;
  const Dict& context_;
  std::shared_ptr<Scope> scope_;
  TextBuilder* out_ = nullptr;
  uint32_t depth_ = 0;
};

}  // namespace quern::jinja
