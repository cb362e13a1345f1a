#include "text/jinja/scopes.h"

#include <algorithm>

namespace quern::jinja {

void ScopeTracker::open(Block* block) {
  scopes_.push_back({.block = block, .parent = current_, .branch_depth = 0, .mentions = {}});
  current_ = &scopes_.back();
}

void ScopeTracker::close() {
  current_ = current_->parent;
}

void ScopeTracker::finish() {
  const auto known_outside = [](const Scope& scope, NameId name) {
    for (const Scope* outer = scope.parent; outer != nullptr; outer = outer->parent) {
      if (outer->mentions.contains(name)) {
        return true;
      }
    }
    return false;
  };
  for (const Scope& scope : scopes_) {
    for (const auto& [name, stored_first] : scope.mentions) {
      if (stored_first && !known_outside(scope, name)) {
        scope.block->hidden.push_back(name);
      }
    }
    std::sort(scope.block->hidden.begin(), scope.block->hidden.end());
  }
}

}  // namespace quern::jinja
