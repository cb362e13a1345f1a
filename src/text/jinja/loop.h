// The mutable things that a render makes: scopes, macros with the scope they were defined in, and
// the state of a running loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/value.h"

namespace quern::jinja {

struct Scope : Object {
  using Variable = std::pair<NameId, Value>;

  std::shared_ptr<Scope> parent;
  std::vector<Variable> variables;
  bool kept = false;  // known to the Runtime, which breaks its cycles

  // Null when it has none of that name.
  Value* find(NameId name) {
    for (auto& [id, value] : variables) {
      if (id == name) {
        return &value;
      }
    }
    return nullptr;
  }
  void clear() override { variables.clear(); }
};

struct MacroObject : Object {
  const Macro* macro = nullptr;
  std::shared_ptr<Scope> scope;

  std::string description() const {
    return macro->name.empty() ? "<Macro anonymous>" : "<Macro '" + macro->name + "'>";
  }
  void clear() override { scope.reset(); }
};

// `loop` inside a for block. Items are taken one ahead at most, because the loop's condition may
// depend on what the body does.
struct LoopObject : Object {
  const Stmt* stmt = nullptr;
  std::shared_ptr<Scope> outer;  // the scope around the loop
  std::vector<Value> items;      // before the loop's condition
  size_t next = 0;               // in items
  std::optional<Value> after;    // the next item, when it was looked at already
  std::optional<int64_t> known_length;
  int64_t index0 = -1;
  int64_t depth0 = 0;
  Value current;
  Value before;
  std::optional<std::vector<Value>> last_changed;

  std::string description() const {
    const auto n_items = known_length.value_or(static_cast<int64_t>(items.size()));
    return "<LoopContext " + std::to_string(index0 + 1) + "/" + std::to_string(n_items) + ">";
  }
  void clear() override {
    last_changed.reset();
    items.clear();
    outer.reset();
    current = before = Value();
    after.reset();
  }
};

}  // namespace quern::jinja
