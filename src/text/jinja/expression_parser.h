// Expressions, with Jinja's precedence: if-else, or, and, not, comparisons and in, + -, ~, * / //
// %,
// ** (left-associative, below unary signs), signs, then subscripts, calls, filters and tests.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"
#include "text/jinja/limits.h"
#include "text/jinja/scopes.h"

namespace quern::jinja {

// What both parsers share: the tokens, the tree being built and the names seen.
class ParserState {
 public:
  ParserState(std::vector<Token> tokens, Ast& ast, const Limits& limits);

  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next();  // returns the current token and moves on
  bool skip(std::string_view symbol);
  bool skip_name(std::string_view name);
  Status expect(std::string_view symbol);
  Status expect(TokenKind kind);
  Result<std::string> expect_any_name();
  std::unexpected<Error> unexpected(std::string_view expected) const;

  NameId intern(std::string_view name);
  // Remembers that the enclosing loops and macros use `name`, if it is a special one.
  void note_special(NameId name);

  Ast& ast;
  const Limits& limits;
  ScopeTracker scopes;
  uint32_t depth = 0;
  bool soft = false;           // inside if: unknown filters fail only when reached
  std::vector<Error> unknown;  // unknown filters and tests outside if
  std::vector<Stmt*> loops;    // loops whose body is being parsed
  std::vector<Macro*> macros;  // macros whose body is being parsed
  size_t n_breakable = 0;      // loops that break and continue can reach

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
  std::unordered_map<std::string, NameId> ids_;
};

// Counts one more level of nesting for its lifetime.
class DepthGuard {
 public:
  explicit DepthGuard(ParserState& state) : state_(state) { ++state_.depth; }
  ~DepthGuard() { --state_.depth; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;
  Status check() const;

 private:
  ParserState& state_;
};

using ExprResult = Result<const Expr*>;

class ExpressionParser {
 public:
  explicit ExpressionParser(ParserState& state) : state_(state) {}

  ExprResult expression(bool with_condition = true);
  // One expression, or several with commas: a tuple. Ends before `end_name`, if that is given.
  ExprResult tuple(bool with_condition = true, std::string_view end_name = {});
  // Name or literal, for assignment targets and test arguments.
  ExprResult primary();
  // `name(args) | name ...` applied to the node; to a block's text when the node is null.
  ExprResult filters(const Expr* node, bool starts_inline);

 private:
  using Level = ExprResult (ExpressionParser::*)();
  ExprResult conditional();
  ExprResult disjunction();
  ExprResult conjunction();
  ExprResult negation();
  ExprResult comparison();
  ExprResult sum();
  ExprResult concatenation();
  ExprResult product();
  ExprResult power();
  ExprResult signed_operand();
  ExprResult unary(bool with_filter);
  ExprResult postfix(const Expr* node);
  ExprResult filter_chain(const Expr* node);
  ExprResult subscript(const Expr* node);
  ExprResult subscript_index(const Expr* node);
  ExprResult slice_bound();
  ExprResult call(const Expr* node);
  Result<Arguments> arguments();
  Status argument(Arguments& out);
  ExprResult filter(const Expr* node);
  ExprResult test(const Expr* node);
  Result<Arguments> test_arguments();
  ExprResult name_or_literal();
  ExprResult parenthesized();
  ExprResult list();
  ExprResult dict();
  ExprResult tuple_items(bool with_condition, std::string_view end_name, bool may_be_empty);
  bool ends_tuple(std::string_view end_name) const;
  Result<std::string> dotted_name();
  Result<bool> comparison_operator(Operator& op);
  ExprResult binary_chain(Level level, bool (*matches)(const Token&, Operator&));

  Expr& make(ExprKind kind, uint32_t line);
  // Computes the height and checks it.
  ExprResult finish(Expr& expr) const;
  void note_unknown(const Expr& expr);

  ParserState& state_;
};

}  // namespace quern::jinja
