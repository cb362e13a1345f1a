#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <array>

#include "text/jinja/builtins.h"
#include "text/jinja/error.h"

namespace quern::jinja {

ParserState::ParserState(std::vector<Token> tokens, Ast& tree, const Limits& bounds)
    : ast(tree), limits(bounds), tokens_(std::move(tokens)) {
  ast.loop = intern("loop");
  ast.caller = intern("caller");
  ast.varargs = intern("varargs");
  ast.kwargs = intern("kwargs");
}

const Token& ParserState::next() {
  const Token& token = tokens_[at_];
  if (token.kind != TokenKind::end) {
    ++at_;
  }
  return token;
}

bool ParserState::skip(std::string_view symbol) {
  if (!current().is(symbol)) {
    return false;
  }
  next();
  return true;
}

bool ParserState::skip_name(std::string_view name) {
  if (!current().is_name(name)) {
    return false;
  }
  next();
  return true;
}

std::unexpected<Error> ParserState::unexpected(std::string_view expected) const {
  return raise_at(current().line, "unexpected " + current().describe(), std::string(expected));
}

Status ParserState::expect(std::string_view symbol) {
  if (!skip(symbol)) {
    return unexpected("'" + std::string(symbol) + "'");
  }
  return {};
}

Status ParserState::expect(TokenKind kind) {
  if (current().kind != kind) {
    return unexpected(Token{.kind = kind, .line = 0, .text = {}}.describe());
  }
  next();
  return {};
}

Result<std::string> ParserState::expect_any_name() {
  if (current().kind != TokenKind::name) {
    return unexpected("a name");
  }
  return next().text;
}

NameId ParserState::intern(std::string_view name) {
  const auto id = static_cast<NameId>(ast.names.size());
  const auto [it, added] = ids_.try_emplace(std::string(name), id);
  if (added) {
    ast.names.emplace_back(name);
  }
  return it->second;
}

void ParserState::note_special(NameId name) {
  if (name == ast.loop) {
    for (Stmt* loop : loops) {
      loop->uses_loop = true;
    }
  }
  for (Macro* macro : macros) {
    macro->uses_caller = macro->uses_caller || name == ast.caller;
    macro->uses_varargs = macro->uses_varargs || name == ast.varargs;
    macro->uses_kwargs = macro->uses_kwargs || name == ast.kwargs;
  }
}

Status DepthGuard::check() const {
  if (state_.depth > state_.limits.parse_depth) {
    return raise_at(state_.current().line, "the template is nested too deeply",
                    "at most " + std::to_string(state_.limits.parse_depth) + " levels");
  }
  return {};
}

Expr& ExpressionParser::make(ExprKind kind, uint32_t line) {
  Expr& expr = state_.ast.exprs.emplace_back();
  expr.kind = kind;
  expr.line = line;
  return expr;
}

ExprResult ExpressionParser::finish(Expr& expr) const {
  const auto include = [&](const Expr* child) {
    if (child != nullptr) {
      expr.height = std::max(expr.height, child->height + 1);
    }
  };
  std::for_each(expr.operands.begin(), expr.operands.end(), include);
  const Arguments& args = expr.arguments;
  std::for_each(args.positional.begin(), args.positional.end(), include);
  for (const auto& [name, value] : args.named) {
    include(value);
  }
  include(args.star);
  include(args.star_star);
  if (expr.height > state_.limits.tree_depth) {
    return raise_at(expr.line, "the expression is too long or nested too deeply",
                    "at most " + std::to_string(state_.limits.tree_depth) + " levels");
  }
  return &expr;
}

ExprResult ExpressionParser::expression(bool with_condition) {
  const DepthGuard guard(state_);
  QUERN_TRY(guard.check());
  return with_condition ? conditional() : disjunction();
}

ExprResult ExpressionParser::conditional() {
  const size_t n_unknown = state_.unknown.size();
  QUERN_ASSIGN(const Expr* value, disjunction());
  while (state_.skip_name("if")) {
    Expr& expr = make(ExprKind::conditional, value->line);
    QUERN_ASSIGN(const Expr* condition, disjunction());
    const Expr* otherwise = nullptr;
    if (state_.skip_name("else")) {
      QUERN_ASSIGN(otherwise, expression());
    }
    state_.unknown.erase(state_.unknown.begin() + static_cast<std::ptrdiff_t>(n_unknown),
                         state_.unknown.end());
    expr.operands = {value, condition, otherwise};
    QUERN_ASSIGN(value, finish(expr));
  }
  return value;
}

ExprResult ExpressionParser::disjunction() {
  QUERN_ASSIGN(const Expr* left, conjunction());
  if (!state_.current().is_name("or")) {
    return left;
  }
  Expr& expr = make(ExprKind::disjunction, left->line);
  expr.operands.push_back(left);
  while (state_.skip_name("or")) {
    QUERN_ASSIGN(const Expr* right, conjunction());
    expr.operands.push_back(right);
  }
  return finish(expr);
}

ExprResult ExpressionParser::conjunction() {
  QUERN_ASSIGN(const Expr* left, negation());
  if (!state_.current().is_name("and")) {
    return left;
  }
  Expr& expr = make(ExprKind::conjunction, left->line);
  expr.operands.push_back(left);
  while (state_.skip_name("and")) {
    QUERN_ASSIGN(const Expr* right, negation());
    expr.operands.push_back(right);
  }
  return finish(expr);
}

ExprResult ExpressionParser::negation() {
  if (!state_.current().is_name("not")) {
    return comparison();
  }
  const DepthGuard guard(state_);
  QUERN_TRY(guard.check());
  Expr& expr = make(ExprKind::unary, state_.next().line);
  expr.operators = {Operator::logical_not};
  QUERN_ASSIGN(const Expr* operand, negation());
  expr.operands = {operand};
  return finish(expr);
}

Result<bool> ExpressionParser::comparison_operator(Operator& op) {
  struct Symbol {
    std::string_view text;
    Operator op;
  };
  static constexpr std::array<Symbol, 6> kSymbols = {{{"==", Operator::equal},
                                                      {"!=", Operator::not_equal},
                                                      {"<", Operator::less},
                                                      {"<=", Operator::less_equal},
                                                      {">", Operator::greater},
                                                      {">=", Operator::greater_equal}}};
  for (const Symbol& symbol : kSymbols) {
    if (state_.skip(symbol.text)) {
      op = symbol.op;
      return true;
    }
  }
  if (state_.skip_name("in")) {
    op = Operator::in;
    return true;
  }
  if (state_.current().is_name("not") && state_.ahead().is_name("in")) {
    state_.next();
    state_.next();
    op = Operator::not_in;
    return true;
  }
  return false;
}

ExprResult ExpressionParser::comparison() {
  QUERN_ASSIGN(const Expr* left, sum());
  Operator op{};
  Expr* expr = nullptr;
  while (true) {
    QUERN_ASSIGN(const bool found, comparison_operator(op));
    if (!found) {
      break;
    }
    if (expr == nullptr) {
      expr = &make(ExprKind::compare, left->line);
      expr->operands.push_back(left);
    }
    QUERN_ASSIGN(const Expr* right, sum());
    expr->operators.push_back(op);
    expr->operands.push_back(right);
  }
  return expr == nullptr ? ExprResult(left) : finish(*expr);
}

ExprResult ExpressionParser::binary_chain(Level level, bool (*matches)(const Token&, Operator&)) {
  QUERN_ASSIGN(const Expr* left, (this->*level)());
  Operator op{};
  while (matches(state_.current(), op)) {
    const Operator used = op;
    state_.next();
    QUERN_ASSIGN(const Expr* right, (this->*level)());
    Expr& expr = make(ExprKind::binary, left->line);
    expr.operators = {used};
    expr.operands = {left, right};
    QUERN_ASSIGN(left, finish(expr));
  }
  return left;
}

ExprResult ExpressionParser::sum() {
  return binary_chain(&ExpressionParser::concatenation, [](const Token& token, Operator& op) {
    op = token.is("+") ? Operator::add : Operator::subtract;
    return token.is("+") || token.is("-");
  });
}

ExprResult ExpressionParser::concatenation() {
  QUERN_ASSIGN(const Expr* left, product());
  if (!state_.current().is("~")) {
    return left;
  }
  Expr& expr = make(ExprKind::concat, left->line);
  expr.operands.push_back(left);
  while (state_.skip("~")) {
    QUERN_ASSIGN(const Expr* right, product());
    expr.operands.push_back(right);
  }
  return finish(expr);
}

ExprResult ExpressionParser::product() {
  return binary_chain(&ExpressionParser::power, [](const Token& token, Operator& op) {
    op = token.is("*")    ? Operator::multiply
         : token.is("/")  ? Operator::divide
         : token.is("//") ? Operator::floor_divide
                          : Operator::modulo;
    return token.is("*") || token.is("/") || token.is("//") || token.is("%");
  });
}

ExprResult ExpressionParser::power() {
  return binary_chain(&ExpressionParser::signed_operand, [](const Token& token, Operator& op) {
    op = Operator::power;
    return token.is("**");
  });
}

ExprResult ExpressionParser::signed_operand() {
  return unary(true);
}

ExprResult ExpressionParser::unary(bool with_filter) {
  const Token& token = state_.current();
  const Expr* node = nullptr;
  if (token.is("-") || token.is("+")) {
    const DepthGuard guard(state_);
    QUERN_TRY(guard.check());
    Expr& expr = make(ExprKind::unary, token.line);
    expr.operators = {token.is("-") ? Operator::negate : Operator::plus};
    state_.next();
    QUERN_ASSIGN(const Expr* operand, unary(false));
    expr.operands = {operand};
    QUERN_ASSIGN(node, finish(expr));
  } else {
    QUERN_ASSIGN(node, primary());
  }
  QUERN_ASSIGN(node, postfix(node));
  return with_filter ? filter_chain(node) : ExprResult(node);
}

ExprResult ExpressionParser::postfix(const Expr* node) {
  while (true) {
    if (state_.current().is(".") || state_.current().is("[")) {
      QUERN_ASSIGN(node, subscript(node));
    } else if (state_.current().is("(")) {
      QUERN_ASSIGN(node, call(node));
    } else {
      return node;
    }
  }
}

ExprResult ExpressionParser::filter_chain(const Expr* node) {
  while (true) {
    if (state_.current().is("|")) {
      QUERN_ASSIGN(node, filters(node, false));
    } else if (state_.current().is_name("is")) {
      QUERN_ASSIGN(node, test(node));
    } else if (state_.current().is("(")) {
      QUERN_ASSIGN(node, call(node));
    } else {
      return node;
    }
  }
}

ExprResult ExpressionParser::subscript(const Expr* node) {
  if (state_.current().is("[")) {
    return subscript_index(node);
  }
  const uint32_t line = state_.next().line;
  const Token& token = state_.current();
  if (token.kind == TokenKind::name) {
    Expr& expr = make(ExprKind::attribute, line);
    expr.constant = Value::string(state_.next().text);
    expr.operands = {node};
    return finish(expr);
  }
  if (token.kind != TokenKind::integer) {
    return state_.unexpected("a name or a number after '.'");
  }
  Expr& index = make(ExprKind::constant, line);
  index.constant = Value::integer(state_.next().integer);
  Expr& expr = make(ExprKind::item, line);
  expr.operands = {node, &index};
  return finish(expr);
}

// A part of a slice, null when it is left out.
ExprResult ExpressionParser::slice_bound() {
  const Token& token = state_.current();
  if (token.is(":") || token.is("]") || token.is(",")) {
    return nullptr;
  }
  return expression();
}

ExprResult ExpressionParser::subscript_index(const Expr* node) {
  const uint32_t line = state_.next().line;
  if (state_.current().is("]")) {
    return state_.unexpected("an index");
  }
  QUERN_ASSIGN(const Expr* start, slice_bound());
  Expr* expr = nullptr;
  if (state_.skip(":")) {
    expr = &make(ExprKind::slice, line);
    QUERN_ASSIGN(const Expr* stop, slice_bound());
    const Expr* step = nullptr;
    if (state_.skip(":")) {
      QUERN_ASSIGN(step, slice_bound());
    }
    expr->operands = {node, start, stop, step};
  } else if (start == nullptr) {
    return state_.unexpected("an index");
  } else {
    if (state_.current().is(",")) {
      Expr& keys = make(ExprKind::tuple, line);
      keys.operands = {start};
      while (state_.skip(",") && !state_.current().is("]")) {
        QUERN_ASSIGN(const Expr* key, expression());
        keys.operands.push_back(key);
      }
      QUERN_ASSIGN(start, finish(keys));
    }
    expr = &make(ExprKind::item, line);
    expr->operands = {node, start};
  }
  QUERN_TRY(state_.expect("]"));
  return finish(*expr);
}

ExprResult ExpressionParser::call(const Expr* node) {
  Expr& expr = make(ExprKind::call, state_.current().line);
  expr.operands = {node};
  QUERN_ASSIGN(expr.arguments, arguments());
  return finish(expr);
}

Result<Arguments> ExpressionParser::arguments() {
  Arguments args;
  QUERN_TRY(state_.expect("("));
  bool first = true;
  while (!state_.current().is(")")) {
    if (!first) {
      QUERN_TRY(state_.expect(","));
      if (state_.current().is(")")) {
        break;
      }
    }
    first = false;
    QUERN_TRY(argument(args));
  }
  state_.next();
  return args;
}

Status ExpressionParser::argument(Arguments& out) {
  const bool after_star = out.star != nullptr || out.star_star != nullptr;
  if (state_.current().is("*") && !after_star) {
    state_.next();
    QUERN_ASSIGN(out.star, expression());
  } else if (state_.current().is("**") && out.star_star == nullptr) {
    state_.next();
    QUERN_ASSIGN(out.star_star, expression());
  } else if (state_.current().kind == TokenKind::name && state_.ahead().is("=") &&
             out.star_star == nullptr) {
    const std::string name = state_.next().text;
    state_.next();
    QUERN_ASSIGN(const Expr* value, expression());
    out.named.emplace_back(name, value);
  } else if (!after_star && out.named.empty()) {
    QUERN_ASSIGN(const Expr* value, expression());
    out.positional.push_back(value);
  } else {
    return state_.unexpected("positional arguments before named ones");
  }
  return {};
}

Result<std::string> ExpressionParser::dotted_name() {
  QUERN_ASSIGN(std::string name, state_.expect_any_name());
  while (state_.skip(".")) {
    QUERN_ASSIGN(const std::string part, state_.expect_any_name());
    name += "." + part;
  }
  return name;
}

void ExpressionParser::note_unknown(const Expr& expr) {
  if (expr.function == nullptr && !state_.soft) {
    const Unknown unknown = {
        .filter = expr.kind == ExprKind::filter, .name = expr.constant.text(), .end = "."};
    state_.unknown.push_back(at_line(raise_unknown(unknown).error(), expr.line));
  }
}

ExprResult ExpressionParser::filter(const Expr* node) {
  Expr& expr = make(ExprKind::filter, state_.current().line);
  QUERN_ASSIGN(std::string name, dotted_name());
  expr.function = find_filter(name);
  expr.constant = Value::string(std::move(name));
  note_unknown(expr);
  expr.operands = {node};
  if (state_.current().is("(")) {
    QUERN_ASSIGN(expr.arguments, arguments());
  }
  return finish(expr);
}

ExprResult ExpressionParser::filters(const Expr* node, bool starts_inline) {
  if (starts_inline) {
    QUERN_ASSIGN(node, filter(node));
  }
  while (state_.skip("|")) {
    QUERN_ASSIGN(node, filter(node));
  }
  return node;
}

ExprResult ExpressionParser::test(const Expr* node) {
  state_.next();
  const bool negated = state_.skip_name("not");
  Expr& expr = make(ExprKind::test, state_.current().line);
  QUERN_ASSIGN(std::string name, dotted_name());
  expr.function = find_test(name);
  expr.constant = Value::string(std::move(name));
  note_unknown(expr);
  expr.operands = {node};
  QUERN_ASSIGN(expr.arguments, test_arguments());
  QUERN_ASSIGN(const Expr* result, finish(expr));
  if (!negated) {
    return result;
  }
  Expr& negation = make(ExprKind::unary, expr.line);
  negation.operators = {Operator::logical_not};
  negation.operands = {result};
  return finish(negation);
}

// `is divisibleby(3)`, or one argument without parentheses: `is divisibleby 3`.
Result<Arguments> ExpressionParser::test_arguments() {
  const Token& token = state_.current();
  if (token.is("(")) {
    return arguments();
  }
  Arguments args;
  const bool literal = token.kind == TokenKind::string || token.kind == TokenKind::integer ||
                       token.kind == TokenKind::real || token.is("[") || token.is("{");
  const bool name = token.kind == TokenKind::name && !token.is_name("else") &&
                    !token.is_name("or") && !token.is_name("and");
  if (!literal && !name) {
    return args;
  }
  if (token.is_name("is")) {
    return state_.unexpected("one test, as tests with 'is' cannot be chained");
  }
  QUERN_ASSIGN(const Expr* value, primary());
  QUERN_ASSIGN(value, postfix(value));
  args.positional.push_back(value);
  return args;
}

ExprResult ExpressionParser::primary() {
  const DepthGuard guard(state_);
  QUERN_TRY(guard.check());
  const Token& token = state_.current();
  if (token.is("(")) {
    return parenthesized();
  }
  if (token.is("[")) {
    return list();
  }
  return token.is("{") ? dict() : name_or_literal();
}

ExprResult ExpressionParser::name_or_literal() {
  const Token& token = state_.current();
  if (token.kind == TokenKind::text || token.kind == TokenKind::symbol ||
      token.kind == TokenKind::end || token.kind == TokenKind::print_end ||
      token.kind == TokenKind::block_end) {
    return state_.unexpected("an expression");
  }
  Expr& expr = make(ExprKind::constant, token.line);
  state_.next();
  if (token.kind == TokenKind::integer) {
    expr.constant = Value::integer(token.integer);
  } else if (token.kind == TokenKind::real) {
    expr.constant = Value::real(token.real);
  } else if (token.kind == TokenKind::string) {
    std::string text = token.text;
    while (state_.current().kind == TokenKind::string) {
      text += state_.next().text;
    }
    expr.constant = Value::string(std::move(text));
  } else if (token.text == "true" || token.text == "True") {
    expr.constant = Value::boolean(true);
  } else if (token.text == "false" || token.text == "False") {
    expr.constant = Value::boolean(false);
  } else if (token.text == "none" || token.text == "None") {
    expr.constant = Value::none();
  } else {
    expr.kind = ExprKind::name;
    expr.name = state_.intern(token.text);
    state_.scopes.load(expr.name);
    state_.note_special(expr.name);
  }
  return &expr;
}

ExprResult ExpressionParser::parenthesized() {
  state_.next();
  QUERN_ASSIGN(const Expr* node, tuple_items(true, {}, true));
  QUERN_TRY(state_.expect(")"));
  return node;
}

ExprResult ExpressionParser::tuple(bool with_condition, std::string_view end_name) {
  return tuple_items(with_condition, end_name, false);
}

bool ExpressionParser::ends_tuple(std::string_view end_name) const {
  const Token& token = state_.current();
  return token.kind == TokenKind::print_end || token.kind == TokenKind::block_end ||
         token.is(")") || (!end_name.empty() && token.is_name(end_name));
}

ExprResult ExpressionParser::tuple_items(bool with_condition, std::string_view end_name,
                                         bool may_be_empty) {
  Expr* items = nullptr;
  const Expr* first = nullptr;
  const uint32_t line = state_.current().line;
  while (!ends_tuple(end_name)) {
    QUERN_ASSIGN(const Expr* item, expression(with_condition));
    if (items != nullptr) {
      items->operands.push_back(item);
    } else {
      first = item;
    }
    if (!state_.skip(",")) {
      break;
    }
    if (items == nullptr) {
      items = &make(ExprKind::tuple, line);
      items->operands.push_back(first);
    }
  }
  if (items != nullptr) {
    return finish(*items);
  }
  if (first != nullptr) {
    return first;
  }
  if (!may_be_empty) {
    return state_.unexpected("an expression");
  }
  return &make(ExprKind::tuple, line);
}

ExprResult ExpressionParser::list() {
  Expr& expr = make(ExprKind::list, state_.next().line);
  while (!state_.current().is("]")) {
    if (!expr.operands.empty()) {
      QUERN_TRY(state_.expect(","));
      if (state_.current().is("]")) {
        break;
      }
    }
    QUERN_ASSIGN(const Expr* item, expression());
    expr.operands.push_back(item);
  }
  state_.next();
  return finish(expr);
}

ExprResult ExpressionParser::dict() {
  Expr& expr = make(ExprKind::dict, state_.next().line);
  while (!state_.current().is("}")) {
    if (!expr.operands.empty()) {
      QUERN_TRY(state_.expect(","));
      if (state_.current().is("}")) {
        break;
      }
    }
    QUERN_ASSIGN(const Expr* key, expression());
    QUERN_TRY(state_.expect(":"));
    QUERN_ASSIGN(const Expr* value, expression());
    expr.operands.push_back(key);
    expr.operands.push_back(value);
  }
  state_.next();
  return finish(expr);
}

}  // namespace quern::jinja
