// Tracks, while a template is parsed, which block mentions which name first and how. Jinja resolves
// names when it compiles: a name that a block assigns without reading it first is the block's own
// from its beginning, unless the assignment stands in an if.
#pragma once

#include <deque>
#include <unordered_map>
#include <vector>

#include "text/jinja/ast.h"

namespace quern::jinja {

class ScopeTracker {
 public:
  void open(Block* block);
  void close();
  void enter_branch() { ++current().branch_depth; }
  void leave_branch() { --current().branch_depth; }
  void load(NameId name) { current().mentions.try_emplace(name, false); }
  void store(NameId name) { current().mentions.try_emplace(name, current().branch_depth == 0); }
  // Parameters and loop variables always have a value.
  void declare(NameId name) { current().mentions.insert_or_assign(name, false); }
  // Fills in Block::hidden of all blocks.
  void finish();

 private:
  struct Scope {
    Block* block = nullptr;
    Scope* parent = nullptr;
    int branch_depth = 0;
    std::unordered_map<NameId, bool> mentions;  // true: assigned first, outside any if
  };
  Scope& current() { return *current_; }

  std::deque<Scope> scopes_;
  Scope* current_ = nullptr;
};

}  // namespace quern::jinja
