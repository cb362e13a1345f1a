// Limits: what one template may cost. Templates come with downloaded files, so all of it is
// bounded.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quern::jinja {

struct Limits {
  size_t source_bytes = 1 << 20;    // length of a template's text
  uint32_t parse_depth = 200;       // brackets, unary signs and blocks nested in the source
  uint32_t tree_depth = 400;        // height of one expression, chains like a+b+c+... included
  uint32_t eval_depth = 900;        // expressions, blocks and macro calls active at once
  uint32_t value_depth = 200;       // lists in lists
  uint64_t fuel = 1'000'000'000;    // work, in the units of cost.h: about a second
  size_t output_bytes = 64 << 20;   // length of the rendered text
  size_t memory_bytes = 128 << 20;  // all that a render holds at once, its inputs excluded
};

}  // namespace quern::jinja
