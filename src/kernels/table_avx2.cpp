// The AVX2 table. Baseline code: it only takes addresses.
#include "kernels/avx2/tables.h"

namespace quern {
namespace {
namespace isa = avx2;
#include "kernels/fragments/table.h"
}  // namespace

const KernelTable* avx2_kernels() {
  static const KernelTable table = make_table({.isa = "avx2", .panel_rows = 8, .tile_rows = 16});
  return &table;
}

}  // namespace quern
