// The parsed template. Nodes live in the Ast's deques and point at each other, so that destroying a
// template never recurses. Immutable once parsed, and safe to read from many threads.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/native.h"
#include "text/jinja/value.h"

namespace quern::jinja {

// Index into Ast::names.
enum class NameId : uint32_t {};

enum class ExprKind : uint8_t {
  constant,
  name,
  list,
  tuple,
  dict,       // operands: key, value, key, value ...
  attribute,  // operands[0].constant
  item,       // operands[0][operands[1]]
  slice,   // operands[0][operands[1]:operands[2]:operands[3]], each of the last three may be null
  call,    // operands[0](arguments)
  filter,  // operands[0] | function(arguments); operands[0] is null in filter and set blocks
  test,    // operands[0] is function(arguments)
  unary,
  binary,
  concat,   // ~ of all operands
  compare,  // operands[0] operators[0] operands[1] operators[1] ...
  conjunction,
  disjunction,
  conditional,  // operands[0] if operands[1] else operands[2], which may be null
};

enum class Operator : uint8_t {
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
  negate,
  plus,
  logical_not,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  not_in,
};

struct Expr;

struct Arguments {
  std::vector<const Expr*> positional;
  std::vector<std::pair<std::string, const Expr*>> named;
  const Expr* star = nullptr;       // *args
  const Expr* star_star = nullptr;  // **kwargs
};

struct Expr {
  ExprKind kind = ExprKind::constant;
  uint32_t line = 1;
  uint32_t height = 1;  // of the tree below, bounded by Limits::tree_depth
  NameId name{};
  Value constant;  // the constant; the name of an attribute, filter or test
  NativeFn function = nullptr;
  std::vector<const Expr*> operands;
  std::vector<Operator> operators;
  Arguments arguments;
};

// What an assignment writes to: a name, namespace.attribute, or a tuple of these.
struct Target {
  enum class Kind : uint8_t { name, attribute, tuple };
  Kind kind = Kind::name;
  NameId name{};
  std::string attribute;
  std::vector<Target> parts;
};

struct Stmt;

// Statements with a scope of their own.
struct Block {
  std::vector<const Stmt*> statements;
  // Names that the block assigns before it reads them, and that no outer block mentions: until the
  // assignment they are undefined, even where the context has such a name.
  std::vector<NameId> hidden;
};

struct Macro {
  std::string name;  // empty for a call block
  NameId id{};
  std::vector<NameId> parameters;
  std::vector<std::string> parameter_names;
  std::vector<const Expr*> defaults;  // of the last parameters
  Block body;
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

struct Branch {
  const Expr* test = nullptr;  // null for else
  std::vector<const Stmt*> statements;
};

enum class StmtKind : uint8_t {
  text,
  print,         // expr
  branches,      // if, elif, else
  loop,          // for target in expr if test: body, else: otherwise
  assign,        // target = expr
  assign_block,  // target = body through the filters of expr
  macro,
  call,    // expr with macro as its caller
  filter,  // body through the filters of expr
  with,    // assignments, body
  scope,   // body
  break_loop,
  continue_loop,
};

struct Stmt {
  StmtKind kind = StmtKind::text;
  uint32_t line = 1;
  std::string text;
  const Expr* expr = nullptr;
  const Expr* test = nullptr;
  Target target;
  bool recursive = false;
  bool uses_loop = false;  // whether the body mentions `loop`
  std::vector<Branch> branches;
  std::vector<std::pair<Target, const Expr*>> assignments;
  Block body;
  Block otherwise;
  Macro macro;
};

struct Ast {
  std::deque<Expr> exprs;
  std::deque<Stmt> stmts;
  std::vector<std::string> names;
  NameId loop{}, caller{}, varargs{}, kwargs{};
  Block root;
};

}  // namespace quern::jinja
