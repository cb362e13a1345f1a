#include "text/jinja/parser.h"

#include "text/jinja/error.h"
#include "text/jinja/expression_parser.h"
#include "text/jinja/lexer.h"
#include "text/jinja/statement_parser.h"

namespace quern::jinja {

Result<std::unique_ptr<const Ast>> parse_template(std::string_view source, const Limits& limits) {
  if (source.size() > limits.source_bytes) {
    return fail({.where = "template",
                 .what = "the template has " + std::to_string(source.size()) + " bytes",
                 .expected = "at most " + std::to_string(limits.source_bytes)});
  }
  QUERN_ASSIGN(std::vector<Token> tokens, tokenize(source));
  auto ast = std::make_unique<Ast>();
  ParserState state(std::move(tokens), *ast, limits);
  QUERN_TRY(StatementParser(state).parse());
  return std::unique_ptr<const Ast>(std::move(ast));
}

}  // namespace quern::jinja
