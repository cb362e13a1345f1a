#include "text/jinja/statement_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/jinja/error.h"

namespace quern::jinja {

Status StatementParser::parse() {
  state_.scopes.open(&state_.ast.root);
  QUERN_ASSIGN(state_.ast.root.statements, statements({}));
  state_.scopes.finish();
  if (!state_.unknown.empty()) {
    return std::unexpected(state_.unknown.front());
  }
  return {};
}

Result<StatementParser::Statements> StatementParser::statements(Ends ends) {
  const DepthGuard guard(state_);
  QUERN_TRY(guard.check());
  Statements out;
  while (state_.current().kind != TokenKind::end) {
    if (state_.current().kind == TokenKind::block_begin) {
      const Token& tag = state_.ahead();
      if (tag.kind == TokenKind::name &&
          std::find(ends.begin(), ends.end(), tag.text) != ends.end()) {
        state_.next();
        return out;
      }
    }
    QUERN_TRY(statement(out));
  }
  if (ends.size() > 0) {
    return state_.unexpected("'{% " + std::string(*(ends.end() - 1)) + " %}'");
  }
  return out;
}

Status StatementParser::statement(Statements& out) {
  const Token& token = state_.next();
  if (token.kind == TokenKind::block_begin) {
    QUERN_ASSIGN(const Stmt* stmt, block_statement());
    out.push_back(stmt);
    return state_.expect(TokenKind::block_end);
  }
  Stmt& stmt = state_.ast.stmts.emplace_back();
  stmt.line = token.line;
  out.push_back(&stmt);
  if (token.kind == TokenKind::text) {
    stmt.kind = StmtKind::text;
    stmt.text = token.text;
    return {};
  }
  stmt.kind = StmtKind::print;
  QUERN_ASSIGN(stmt.expr, expressions_.tuple());
  return state_.expect(TokenKind::print_end);
}

StatementParser::Handler StatementParser::handler(std::string_view tag) {
  using Entry = std::pair<std::string_view, Handler>;
  static constexpr std::array<Entry, 12> kHandlers = {
      {{"if", &StatementParser::if_tag},
       {"for", &StatementParser::for_tag},
       {"set", &StatementParser::set_tag},
       {"macro", &StatementParser::macro_tag},
       {"call", &StatementParser::call_tag},
       {"filter", &StatementParser::filter_tag},
       {"with", &StatementParser::with_tag},
       {"generation", &StatementParser::generation_tag},
       {"print", &StatementParser::print_tag},
       {"block", &StatementParser::block_tag},
       {"break", &StatementParser::break_tag},
       {"continue", &StatementParser::continue_tag}}};
  const auto* it = std::find_if(kHandlers.begin(), kHandlers.end(),
                                [&](const Entry& entry) { return entry.first == tag; });
  return it == kHandlers.end() ? nullptr : it->second;
}

Status StatementParser::unknown_tag(const Token& token) const {
  static constexpr std::array<std::string_view, 5> kRefused = {"include", "import", "from",
                                                               "extends", "autoescape"};
  if (std::find(kRefused.begin(), kRefused.end(), token.text) != kRefused.end()) {
    return raise_at(token.line, "the tag '" + token.text + "' is not supported",
                    "a template that stands alone");
  }
  return raise_at(token.line, "Encountered unknown tag '" + token.text + "'.",
                  "if, for, set, macro, call, filter, with, generation, raw, break or continue, or "
                  "the end of an open block");
}

Result<const Stmt*> StatementParser::block_statement() {
  const Token& token = state_.current();
  if (token.kind != TokenKind::name) {
    return state_.unexpected("the name of a tag");
  }
  const Handler handle = handler(token.text);
  if (handle == nullptr) {
    return std::unexpected(unknown_tag(token).error());
  }
  const DepthGuard guard(state_);
  QUERN_TRY(guard.check());
  Stmt& stmt = state_.ast.stmts.emplace_back();
  stmt.line = token.line;
  state_.next();
  QUERN_TRY((this->*handle)(stmt));
  return &stmt;
}

Result<StatementParser::Statements> StatementParser::body(Ends ends) {
  state_.skip(":");
  QUERN_TRY(state_.expect(TokenKind::block_end));
  return statements(ends);
}

template <typename Declare>
Status StatementParser::scoped_body(Block& block, Ends ends, Declare declare) {
  const bool soft = std::exchange(state_.soft, false);
  state_.scopes.open(&block);
  declare();
  auto result = body(ends);
  state_.scopes.close();
  state_.soft = soft;
  if (!result) {
    return std::unexpected(std::move(result).error());
  }
  block.statements = std::move(*result);
  return {};
}

Status StatementParser::print_tag(Stmt& stmt) {
  stmt.kind = StmtKind::print;
  QUERN_ASSIGN(const Expr* first, expressions_.expression());
  if (!state_.current().is(",")) {
    stmt.expr = first;
    return {};
  }
  Expr& parts = state_.ast.exprs.emplace_back();  // printed one after the other
  parts.kind = ExprKind::concat;
  parts.line = stmt.line;
  parts.operands.push_back(first);
  while (state_.skip(",")) {
    QUERN_ASSIGN(const Expr* next, expressions_.expression());
    parts.operands.push_back(next);
  }
  stmt.expr = &parts;
  return {};
}

Status StatementParser::if_tag(Stmt& stmt) {
  stmt.kind = StmtKind::branches;
  const bool soft = std::exchange(state_.soft, true);
  bool more = true;
  while (more) {
    Branch branch;
    QUERN_ASSIGN(branch.test, expressions_.tuple(false));
    state_.scopes.enter_branch();
    QUERN_ASSIGN(branch.statements, body({"elif", "else", "endif"}));
    state_.scopes.leave_branch();
    stmt.branches.push_back(std::move(branch));
    more = state_.current().is_name("elif");
    const bool otherwise = state_.current().is_name("else");
    state_.next();
    if (otherwise) {
      state_.scopes.enter_branch();
      Branch last;
      QUERN_ASSIGN(last.statements, body({"endif"}));
      state_.scopes.leave_branch();
      stmt.branches.push_back(std::move(last));
      state_.next();
    }
  }
  state_.soft = soft;
  return {};
}

Status StatementParser::refuse_loop_name(const Target& target) const {
  const bool inside = !state_.loops.empty();
  if (inside && target.kind == Target::Kind::name && target.name == state_.ast.loop) {
    return raise_at(state_.current().line,
                    "Can't assign to special loop variable in for-loop target", "another name");
  }
  for (const Target& part : target.parts) {
    QUERN_TRY(refuse_loop_name(part));
  }
  return {};
}

Status StatementParser::for_tag(Stmt& stmt) {
  stmt.kind = StmtKind::loop;
  QUERN_ASSIGN(stmt.target, target(false, "in"));
  if (!state_.skip_name("in")) {
    return state_.unexpected("'in'");
  }
  QUERN_ASSIGN(stmt.expr, expressions_.tuple(false, "recursive"));
  if (state_.skip_name("if")) {
    QUERN_TRY(for_filter(stmt));
  }
  stmt.recursive = state_.skip_name("recursive");
  return for_body(stmt);
}

// The condition sees the loop's targets, in a scope of its own.
Status StatementParser::for_filter(Stmt& stmt) {
  const bool soft = std::exchange(state_.soft, false);
  state_.scopes.open(&stmt.otherwise);
  declare(stmt.target);
  auto test = expressions_.expression();
  state_.scopes.close();
  state_.soft = soft;
  if (!test) {
    return std::unexpected(std::move(test).error());
  }
  stmt.test = *test;
  return {};
}

Status StatementParser::for_body(Stmt& stmt) {
  state_.loops.push_back(&stmt);
  ++state_.n_breakable;
  QUERN_TRY(refuse_loop_name(stmt.target));
  stmt.uses_loop = stmt.recursive;
  QUERN_TRY(scoped_body(stmt.body, {"else", "endfor"}, [&] {
    declare(stmt.target);
    state_.scopes.declare(state_.ast.loop);
  }));
  state_.loops.pop_back();
  --state_.n_breakable;
  if (state_.next().text == "else") {
    QUERN_TRY(scoped_body(stmt.otherwise, {"endfor"}, [] {}));
    state_.next();
  }
  return {};
}

void StatementParser::store(const Target& target) {
  if (target.kind == Target::Kind::name) {
    state_.scopes.store(target.name);
  } else if (target.kind == Target::Kind::attribute) {
    state_.scopes.load(target.name);
  }
  for (const Target& part : target.parts) {
    store(part);
  }
}

void StatementParser::declare(const Target& target) {
  if (target.kind == Target::Kind::name) {
    state_.scopes.declare(target.name);
  }
  for (const Target& part : target.parts) {
    declare(part);
  }
}

Status StatementParser::set_tag(Stmt& stmt) {
  QUERN_ASSIGN(stmt.target, target(true, {}));
  QUERN_TRY(refuse_loop_name(stmt.target));
  if (state_.skip("=")) {
    stmt.kind = StmtKind::assign;
    QUERN_ASSIGN(stmt.expr, expressions_.tuple());
    store(stmt.target);
    return {};
  }
  stmt.kind = StmtKind::assign_block;
  const bool soft = std::exchange(state_.soft, false);
  QUERN_ASSIGN(stmt.expr, expressions_.filters(nullptr, false));
  state_.soft = soft;
  store(stmt.target);
  QUERN_TRY(scoped_body(stmt.body, {"endset"}, [] {}));
  state_.next();
  return {};
}

Status StatementParser::signature(Macro& macro) {
  QUERN_TRY(state_.expect("("));
  while (!state_.current().is(")")) {
    if (!macro.parameters.empty()) {
      QUERN_TRY(state_.expect(","));
    }
    QUERN_ASSIGN(const std::string name, state_.expect_any_name());
    macro.parameters.push_back(state_.intern(name));
    macro.parameter_names.push_back(name);
    if (state_.skip("=")) {
      QUERN_ASSIGN(const Expr* value, expressions_.expression());
      macro.defaults.push_back(value);
    } else if (!macro.defaults.empty()) {
      return state_.unexpected("a default, as the parameter before has one");
    }
  }
  state_.next();
  return {};
}

// In the scope that the caller has opened.
Status StatementParser::macro_body(Macro& macro, std::string_view end) {
  for (const NameId parameter : macro.parameters) {
    state_.scopes.declare(parameter);
  }
  const size_t n_breakable = std::exchange(state_.n_breakable, 0);
  auto result = body({end});
  state_.n_breakable = n_breakable;
  if (!result) {
    return std::unexpected(std::move(result).error());
  }
  macro.body.statements = std::move(*result);
  state_.next();
  const auto has = [&](std::string_view name) {
    const auto& names = macro.parameter_names;
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  macro.uses_varargs = macro.uses_varargs && !has("varargs");
  macro.uses_kwargs = macro.uses_kwargs && !has("kwargs");
  return {};
}

Status StatementParser::macro_tag(Stmt& stmt) {
  stmt.kind = StmtKind::macro;
  Macro& macro = stmt.macro;
  QUERN_ASSIGN(macro.name, state_.expect_any_name());
  macro.id = state_.intern(macro.name);
  state_.scopes.store(macro.id);
  const bool soft = std::exchange(state_.soft, false);
  state_.scopes.open(&macro.body);
  state_.macros.push_back(&macro);
  QUERN_TRY(signature(macro));
  QUERN_TRY(macro_body(macro, "endmacro"));
  state_.macros.pop_back();
  state_.scopes.close();
  state_.soft = soft;
  return {};
}

Status StatementParser::call_tag(Stmt& stmt) {
  stmt.kind = StmtKind::call;
  Macro& macro = stmt.macro;
  if (state_.current().is("(")) {
    QUERN_TRY(signature(macro));
  }
  QUERN_ASSIGN(stmt.expr, expressions_.expression());
  if (stmt.expr->kind != ExprKind::call) {
    return state_.unexpected("a call, as in {% call name(...) %}");
  }
  const bool soft = std::exchange(state_.soft, false);
  state_.scopes.open(&macro.body);
  state_.macros.push_back(&macro);
  QUERN_TRY(macro_body(macro, "endcall"));
  state_.macros.pop_back();
  state_.scopes.close();
  state_.soft = soft;
  return {};
}

Status StatementParser::filter_tag(Stmt& stmt) {
  stmt.kind = StmtKind::filter;
  const bool soft = std::exchange(state_.soft, false);
  QUERN_ASSIGN(stmt.expr, expressions_.filters(nullptr, true));
  state_.soft = soft;
  QUERN_TRY(scoped_body(stmt.body, {"endfilter"}, [] {}));
  state_.next();
  return {};
}

Status StatementParser::with_tag(Stmt& stmt) {
  stmt.kind = StmtKind::with;
  while (state_.current().kind != TokenKind::block_end) {
    if (!stmt.assignments.empty()) {
      QUERN_TRY(state_.expect(","));
    }
    QUERN_ASSIGN(Target name, target(false, {}));
    QUERN_TRY(state_.expect("="));
    QUERN_ASSIGN(const Expr* value, expressions_.expression());
    stmt.assignments.emplace_back(std::move(name), value);
  }
  QUERN_TRY(scoped_body(stmt.body, {"endwith"}, [&] {
    for (const auto& [name, value] : stmt.assignments) {
      declare(name);
    }
  }));
  state_.next();
  return {};
}

// Marks the assistant's words for training; here its content is just rendered.
Status StatementParser::generation_tag(Stmt& stmt) {
  stmt.kind = StmtKind::scope;
  const size_t n_breakable = std::exchange(state_.n_breakable, 0);
  QUERN_TRY(scoped_body(stmt.body, {"endgeneration"}, [] {}));
  state_.n_breakable = n_breakable;
  state_.next();
  return {};
}

Status StatementParser::block_tag(Stmt& stmt) {
  stmt.kind = StmtKind::scope;
  QUERN_ASSIGN(const std::string name, state_.expect_any_name());
  state_.skip_name("scoped");
  const size_t n_breakable = std::exchange(state_.n_breakable, 0);
  QUERN_TRY(scoped_body(stmt.body, {"endblock"}, [] {}));
  state_.n_breakable = n_breakable;
  state_.next();
  state_.skip_name(name);
  return {};
}

Status StatementParser::loop_control(Stmt& stmt, StmtKind kind) {
  stmt.kind = kind;
  if (state_.n_breakable == 0) {
    return raise_at(
        stmt.line,
        kind == StmtKind::break_loop ? "'break' outside loop" : "'continue' outside loop",
        "it inside a for block");
  }
  return {};
}

Status StatementParser::break_tag(Stmt& stmt) {
  return loop_control(stmt, StmtKind::break_loop);
}

Status StatementParser::continue_tag(Stmt& stmt) {
  return loop_control(stmt, StmtKind::continue_loop);
}

Result<Target> StatementParser::single_target(bool with_attribute) {
  const DepthGuard guard(state_);
  QUERN_TRY(guard.check());
  if (state_.skip("(")) {
    QUERN_ASSIGN(Target inner, target(with_attribute, {}));
    QUERN_TRY(state_.expect(")"));
    return inner;
  }
  static constexpr std::array<std::string_view, 6> kConstants = {"true", "false", "none",
                                                                 "True", "False", "None"};
  QUERN_ASSIGN(const std::string name, state_.expect_any_name());
  if (std::find(kConstants.begin(), kConstants.end(), name) != kConstants.end()) {
    return raise_at(state_.current().line, "can't assign to 'const'", "a name");
  }
  Target out;
  out.name = state_.intern(name);
  if (with_attribute && state_.skip(".")) {
    out.kind = Target::Kind::attribute;
    QUERN_ASSIGN(out.attribute, state_.expect_any_name());
  }
  return out;
}

Result<Target> StatementParser::target(bool with_attribute, std::string_view end_name) {
  QUERN_ASSIGN(Target first, single_target(with_attribute));
  if (!state_.current().is(",")) {
    return first;
  }
  Target tuple;
  tuple.kind = Target::Kind::tuple;
  tuple.parts.push_back(std::move(first));
  while (state_.skip(",")) {
    const Token& token = state_.current();
    if (token.is(")") || token.is("=") || token.kind == TokenKind::block_end ||
        (!end_name.empty() && token.is_name(end_name))) {
      break;
    }
    QUERN_ASSIGN(Target part, single_target(with_attribute));
    tuple.parts.push_back(std::move(part));
  }
  return tuple;
}

}  // namespace quern::jinja
