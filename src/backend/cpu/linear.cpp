// x * W^T for one or more matrices that share x. Tiles of rows are dealt to the threads; each tile
// is read from memory once, whatever the number of tokens.
#include <algorithm>

#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"

namespace quern {
namespace {

bool takes_codes(const LinearTarget& target) {
  return traits(target.weight->dtype()).quantised;
}

uint32_t tiles_of(const LinearTarget& target, uint32_t tile_rows) {
  return (target.weight->n_rows() + tile_rows - 1) / tile_rows;
}

}  // namespace

void CpuBackend::prepare(const LinearOp& op, const Prepared& out, Slice tokens) const {
  const CpuActivations& x = cpu(*op.x);
  PrepareArgs args{.x = x.row(0),
                   .x_stride = x.n_columns(),
                   .n_tokens = op.n_rows,
                   .first_token = tokens.begin,
                   .last_token = tokens.end,
                   .n_columns = op.x->n_columns(),
                   .out = out};
  if (!std::ranges::all_of(op.targets, takes_codes)) {
    kernels_.prepare_floats(args);
  }
  if (std::ranges::any_of(op.targets, takes_codes)) {
    const uint32_t rows_per_token = op.precise ? 2 : 1;
    args.paired = op.precise;
    args.n_tokens *= rows_per_token;
    args.first_token *= rows_per_token;
    args.last_token *= rows_per_token;
    kernels_.prepare_codes(args);
  }
}

void CpuBackend::multiply(const LinearOp& op, const Prepared& x, uint32_t member) {
  uint32_t n_tiles = 0;
  for (const LinearTarget& target : op.targets) {
    n_tiles += tiles_of(target, kernels_.tile_rows);
  }
  const Slice mine = slice_of(n_tiles, member, pool_.n_threads());
  WeightWork work;
  uint32_t first = 0;  // the target's first tile in the common numbering
  for (const LinearTarget& target : op.targets) {
    const uint32_t n = tiles_of(target, kernels_.tile_rows);
    const uint32_t begin = std::max(mine.begin, first);
    const uint32_t end = std::min(mine.end, first + n);
    if (begin < end) {
      const CpuMatrix& weight = cpu(*target.weight);
      const CpuActivations& out = cpu(*target.out);
      const bool paired = op.precise && takes_codes(target);
      kernels_.matmul[static_cast<size_t>(weight.dtype())](
          {.weights = weight.data(),
           .n_rows = weight.n_rows(),
           .n_columns = weight.n_columns(),
           .first_tile = begin - first,
           .last_tile = end - first,
           .x = x,
           .n_tokens = paired ? 2 * op.n_rows : op.n_rows,
           .paired = paired,
           .bias = target.bias == nullptr ? nullptr : cpu(*target.bias).data(),
           .out = out.row(0),
           .out_stride = out.n_columns(),
           .scratch = workspaces_[member].matmul.data()});
      work.bytes_read += weight.n_bytes() / n * (end - begin);
      work.ops += op.n_rows *
                  product_ops({begin - first, end - first}, weight.n_rows(), weight.n_columns());
    }
    first += n;
  }
  count(work);
}

// A multiplication and an addition for each weight.
uint64_t CpuBackend::product_ops(Slice tiles, uint64_t n_rows, uint64_t n_columns) const {
  const uint64_t end = std::min(n_rows, uint64_t{tiles.end} * kernels_.tile_rows);
  return 2 * (end - uint64_t{tiles.begin} * kernels_.tile_rows) * n_columns;
}

void CpuBackend::count(const WeightWork& work) {
  weight_bytes_read_.fetch_add(work.bytes_read, std::memory_order_relaxed);
  weight_ops_.fetch_add(work.ops, std::memory_order_relaxed);
}

void CpuBackend::linear(const LinearOp& op) {
  for (const LinearTarget& target : op.targets) {
    QUERN_CHECK(target.weight->n_columns() == op.x->n_columns() &&
                target.weight->n_rows() == target.out->n_columns());
    QUERN_CHECK(op.n_rows <= op.x->max_rows() && op.n_rows <= target.out->max_rows());
  }
  const OpScope scope(*memory_);
  if (op.n_rows <= kPrivateRows) {
    pool_.run([&](uint32_t member) {
      const Prepared x = workspaces_[member].prepared.view();
      prepare(op, x, {0, op.n_rows});
      multiply(op, x, member);
    });
    return;
  }
  const Prepared x = prepared_.view();
  pool_.run(
      [&](uint32_t member) { prepare(op, x, slice_of(op.n_rows, member, pool_.n_threads())); });
  pool_.run([&](uint32_t member) { multiply(op, x, member); });
}

}  // namespace quern
