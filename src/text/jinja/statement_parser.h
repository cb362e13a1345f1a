// Text, prints and statements.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "text/jinja/expression_parser.h"

namespace quern::jinja {

class StatementParser {
 public:
  explicit StatementParser(ParserState& state) : state_(state), expressions_(state) {}

  // The whole template, into the state's Ast.
  Status parse();

 private:
  using Statements = std::vector<const Stmt*>;
  using Ends = std::initializer_list<std::string_view>;
  using Handler = Status (StatementParser::*)(Stmt&);

  // Up to a block whose name is in `ends`; stops at that name.
  Result<Statements> statements(Ends ends);
  Status statement(Statements& out);
  Result<const Stmt*> block_statement();
  static Handler handler(std::string_view tag);
  Status unknown_tag(const Token& token) const;
  // After a tag's head: its statements, in the current scope, then the end's name (not consumed).
  Result<Statements> body(Ends ends);
  // Like body(), in a scope of its own that `declare` may add names to.
  template <typename Declare>
  Status scoped_body(Block& block, Ends ends, Declare declare);

  Status print_tag(Stmt& stmt);
  Status if_tag(Stmt& stmt);
  Status for_tag(Stmt& stmt);
  Status for_body(Stmt& stmt);
  Status for_filter(Stmt& stmt);
  Status set_tag(Stmt& stmt);
  Status macro_tag(Stmt& stmt);
  Status call_tag(Stmt& stmt);
  Status filter_tag(Stmt& stmt);
  Status with_tag(Stmt& stmt);
  Status generation_tag(Stmt& stmt);
  Status block_tag(Stmt& stmt);
  Status break_tag(Stmt& stmt);
  Status continue_tag(Stmt& stmt);
  Status loop_control(Stmt& stmt, StmtKind kind);
  Status macro_body(Macro& macro, std::string_view end);
  Status signature(Macro& macro);
  Result<Target> target(bool with_attribute, std::string_view end_name);
  Result<Target> single_target(bool with_attribute);
  void store(const Target& target);
  void declare(const Target& target);
  Status refuse_loop_name(const Target& target) const;

  ParserState& state_;
  ExpressionParser expressions_;
};

}  // namespace quern::jinja
