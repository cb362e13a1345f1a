// The AVX-512 table. Baseline code: it only takes addresses.
#include "kernels/avx512/tables.h"

namespace quern {
namespace {
namespace isa = avx512;
#include "kernels/fragments/table.h"
}  // namespace

const KernelTable* avx512_kernels() {
  static const KernelTable table = make_table({.isa = "avx512", .panel_rows = 16, .tile_rows = 32});
  return &table;
}

}  // namespace quern
