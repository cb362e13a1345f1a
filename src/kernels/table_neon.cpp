// The NEON table. Baseline code: it only takes addresses.
#include "kernels/neon/tables.h"

namespace quern {
namespace {
namespace isa = neon;
#include "kernels/fragments/table.h"
}  // namespace

const KernelTable* neon_kernels() {
  static const KernelTable table = make_table({.isa = "neon", .panel_rows = 8, .tile_rows = 8});
  return &table;
}

}  // namespace quern
