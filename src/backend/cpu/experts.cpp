// A mixture of experts: tokens sorted by expert, then one matrix product an expert and projection.
// Experts are taken in waves of so many rows that what lies between the products stays in caches
// and never needs more memory than a dense block's.
#include <algorithm>

#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"

namespace quern {
namespace {

bool takes_codes(const Experts& experts) {
  return traits(experts.dtype()).quantised;
}

// The operand whose first token lies at `row` of a buffer of rows of n_columns.
Prepared operand_at(const Prepared& base, size_t row, size_t n_columns) {
  return {.codes = base.codes + row * n_columns,
          .scales = base.scales + row * n_columns / 32,
          .sums = base.sums + row * n_columns / 16,
          .floats = base.floats + row * n_columns};
}

uint64_t ceil_div(uint64_t a, uint64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

// What the members of one wave share.
struct CpuBackend::ExpertStep {
  const ExpertsOp& op;
  ExpertWave wave;
  // The product at hand: gate and up, which share an operand and a shape, or down alone.
  const CpuExperts& weights;
  bool has_codes = false;
  bool has_floats = false;
  bool is_lone = false;  // one token: its row is the operand of every expert
};

namespace {

struct ExpertProduct {
  const CpuExperts& weights;
  const ExpertSegment& segment;
  Prepared x;
  float* out = nullptr;  // the segment's first row
  uint32_t first_tile = 0;
  uint32_t last_tile = 0;
};

MatmulArgs matmul_args(const ExpertProduct& p) {
  return {.weights = p.weights.data(p.segment.expert),
          .n_rows = p.weights.n_rows(),
          .n_columns = p.weights.n_columns(),
          .first_tile = p.first_tile,
          .last_tile = p.last_tile,
          .x = p.x,
          .n_tokens = p.segment.n_rows,
          .out = p.out,
          .out_stride = p.weights.n_rows()};
}

}  // namespace

Status CpuBackend::reserve_experts(const ExpertsLimits& limits) {
  routing_.reserve(
      {.max_tokens = limits.max_rows, .n_experts = limits.n_experts, .n_used = limits.n_used});
  const uint64_t hidden_bytes = uint64_t{limits.max_rows} * limits.d_ff * sizeof(float);
  QUERN_TRY(grow(expert_buffers_.gate, hidden_bytes));
  QUERN_TRY(grow(expert_buffers_.up, hidden_bytes));
  QUERN_TRY(grow(expert_buffers_.down, uint64_t{limits.max_rows} * limits.d_model * sizeof(float)));
  return prepared_.reserve(uint64_t{limits.max_rows} * std::max(limits.d_model, limits.d_ff));
}

void CpuBackend::route(const ExpertsOp& op) {
  const CpuActivations& router = cpu(*op.router);
  routing_.begin(op.n_rows, op.n_used);
  for_rows(op.n_rows, 8 * size_t{router.n_columns()}, [&](uint32_t begin, uint32_t end) {
    for (uint32_t row = begin; row < end; ++row) {
      routing_.choose(row, {.logits = {router.row(row), router.n_columns()},
                            .normalise = op.normalise,
                            .scale = op.scale});
    }
  });
  routing_.sort();
}

// Makes rows of the wave ready, each as its own expert's operand. row_at(row) is where it lies.
template <typename RowAt>
void CpuBackend::prepare_experts(const ExpertStep& step, const RowAt& row_at, Slice rows) const {
  const uint32_t n_columns = step.weights.n_columns();
  const Prepared all = prepared_.view();
  for (uint32_t s = step.wave.first_segment; s < step.wave.last_segment; ++s) {
    const ExpertSegment& segment = routing_.segments()[s];
    const uint32_t first = segment.first_row - step.wave.first_row;
    const uint32_t begin = std::max(rows.begin, first);
    const uint32_t end = std::min(rows.end, first + segment.n_rows);
    for (uint32_t row = begin; row < end; ++row) {
      const PrepareArgs args{.x = row_at(row),
                             .x_stride = 0,  // the row's place comes from its number alone
                             .n_tokens = segment.n_rows,
                             .first_token = row - first,
                             .last_token = row - first + 1,
                             .n_columns = n_columns,
                             .out = operand_at(all, first, n_columns)};
      if (step.has_codes) {
        kernels_.prepare_codes(args);
      }
      if (step.has_floats) {
        kernels_.prepare_floats(args);
      }
    }
  }
}

// Deals the tiles of all the wave's experts to the members by what they cost, and calls
// work(segment, first_tile, last_tile) for those of `member`.
template <typename Work>
void CpuBackend::for_expert_tiles(const ExpertStep& step, uint32_t member, const Work& work) const {
  const uint64_t n_tiles = ceil_div(step.weights.n_rows(), kernels_.tile_rows);
  // Of one tile: a pass for every group of tokens, and one to fetch it.
  const auto tile_cost = [](const ExpertSegment& s) { return 1 + ceil_div(s.n_rows, kTileTokens); };
  const auto segments = routing_.segments().subspan(
      step.wave.first_segment, step.wave.last_segment - step.wave.first_segment);
  uint64_t total = 0;
  for (const ExpertSegment& s : segments) {
    total += n_tiles * tile_cost(s);
  }
  const uint64_t begin = total * member / pool_.n_threads();
  const uint64_t end = total * (member + 1) / pool_.n_threads();
  uint64_t base = 0;
  for (const ExpertSegment& s : segments) {
    // A tile belongs to the member in whose share its cost begins.
    const auto tiles_before = [&](uint64_t cost) {
      return cost <= base ? 0 : std::min(n_tiles, ceil_div(cost - base, tile_cost(s)));
    };
    const auto first = static_cast<uint32_t>(tiles_before(begin));
    const auto last = static_cast<uint32_t>(tiles_before(end));
    if (first < last) {
      work(s, first, last);
    }
    base += n_tiles * tile_cost(s);
  }
}

// A lone token, made ready by every member for itself, which is cheaper than waiting for others.
Prepared CpuBackend::lone_expert_input(const ExpertStep& step, uint32_t member) {
  const CpuActivations& x = cpu(*step.op.x);
  const Prepared own = workspaces_[member].prepared.view();
  const PrepareArgs args{
      .x = x.row(0), .n_tokens = 1, .last_token = 1, .n_columns = x.n_columns(), .out = own};
  if (step.has_codes) {
    kernels_.prepare_codes(args);
  }
  if (step.has_floats) {
    kernels_.prepare_floats(args);
  }
  return own;
}

// gate = act(gate(x)) * up(x), tile by tile.
void CpuBackend::expert_hidden(const ExpertStep& step, const Prepared& x, uint32_t member) {
  const CpuExperts& gate = cpu(*step.op.gate);
  const CpuExperts& up = cpu(*step.op.up);
  const size_t width = gate.n_rows();
  const uint64_t n_tiles = ceil_div(width, kernels_.tile_rows);
  WeightWork work;
  for_expert_tiles(step, member, [&](const ExpertSegment& s, uint32_t first, uint32_t last) {
    const size_t row = s.first_row - step.wave.first_row;
    float* gate_rows = expert_buffers_.gate.as<float>() + row * width;
    float* up_rows = expert_buffers_.up.as<float>() + row * width;
    const Prepared operand = operand_at(x, step.is_lone ? 0 : row, gate.n_columns());
    const auto multiply_with = [&](const CpuExperts& weights, float* out) {
      MatmulArgs args = matmul_args({.weights = weights,
                                     .segment = s,
                                     .x = operand,
                                     .out = out,
                                     .first_tile = first,
                                     .last_tile = last});
      args.scratch = workspaces_[member].matmul.data();
      kernels_.matmul[static_cast<size_t>(weights.dtype())](args);
      work.bytes_read += weights.expert_bytes() / n_tiles * (last - first);
      work.ops += s.n_rows * product_ops({first, last}, weights.n_rows(), weights.n_columns());
    };
    multiply_with(gate, gate_rows);
    multiply_with(up, up_rows);
    const size_t begin = size_t{first} * kernels_.tile_rows;
    const size_t end = std::min(width, size_t{last} * kernels_.tile_rows);
    for (size_t i = 0; i < s.n_rows; ++i) {
      kernels_.gated({.gate = gate_rows + i * width + begin,
                      .up = up_rows + i * width + begin,
                      .out = gate_rows + i * width + begin,
                      .n = end - begin,
                      .activation = step.op.kind == GatedKind::silu ? Activation::silu
                                                                    : Activation::gelu_tanh});
    }
  });
  count(work);
}

void CpuBackend::expert_down(const ExpertStep& step, const Prepared& x, uint32_t member) {
  const CpuExperts& down = step.weights;
  const uint64_t n_tiles = ceil_div(down.n_rows(), kernels_.tile_rows);
  WeightWork work;
  for_expert_tiles(step, member, [&](const ExpertSegment& s, uint32_t first, uint32_t last) {
    const size_t row = s.first_row - step.wave.first_row;
    MatmulArgs args = matmul_args({.weights = down,
                                   .segment = s,
                                   .x = operand_at(x, row, down.n_columns()),
                                   .out = expert_buffers_.down.as<float>() + row * down.n_rows(),
                                   .first_tile = first,
                                   .last_tile = last});
    args.scratch = workspaces_[member].matmul.data();
    kernels_.matmul[static_cast<size_t>(down.dtype())](args);
    work.bytes_read += down.expert_bytes() / n_tiles * (last - first);
    work.ops += s.n_rows * product_ops({first, last}, down.n_rows(), down.n_columns());
  });
  count(work);
}

// Adds the wave's rows to their tokens. Waves and a token's experts both ascend, so a token's sum
// has one order whatever the waves; members share the columns.
void CpuBackend::add_experts(const ExpertStep& step, uint32_t member) {
  constexpr uint32_t kUnit = 64;  // columns: whole vectors and cache lines
  const CpuActivations& out = cpu(*step.op.out);
  const uint32_t width = out.n_columns();
  const auto n_units = static_cast<uint32_t>(ceil_div(width, kUnit));
  const Slice units = slice_of(n_units, member, pool_.n_threads());
  const uint32_t begin = units.begin * kUnit;
  const uint32_t end = std::min(width, units.end * kUnit);
  const ExpertWave& wave = step.wave;
  for (uint32_t token = 0; token < routing_.n_tokens() && begin < end; ++token) {
    const auto chosen = routing_.chosen(token);
    const auto rows = routing_.rows_of(token);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] < wave.first_row || rows[i] - wave.first_row >= wave.n_rows) {
        continue;
      }
      const size_t at = size_t{rows[i] - wave.first_row} * width + begin;
      kernels_.add_scaled({.x = out.row(token) + begin,
                           .y = expert_buffers_.down.as<float>() + at,
                           .scale = chosen[i].weight,
                           .n = end - begin});
    }
  }
}

void CpuBackend::wave_hidden(const ExpertStep& step) {
  if (step.is_lone) {
    pool_.run(
        [&](uint32_t member) { expert_hidden(step, lone_expert_input(step, member), member); });
    return;
  }
  const CpuActivations& x = cpu(*step.op.x);
  pool_.run([&](uint32_t member) {
    prepare_experts(
        step, [&](uint32_t row) { return x.row(routing_.token_of(step.wave.first_row + row)); },
        slice_of(step.wave.n_rows, member, pool_.n_threads()));
  });
  pool_.run([&](uint32_t member) { expert_hidden(step, prepared_.view(), member); });
}

void CpuBackend::run_wave(const ExpertStep& step) {
  wave_hidden(step);
  const CpuExperts& down = cpu(*step.op.down);
  const ExpertStep second{.op = step.op,
                          .wave = step.wave,
                          .weights = down,
                          .has_codes = takes_codes(down),
                          .has_floats = !takes_codes(down)};
  const size_t width = down.n_columns();
  pool_.run([&](uint32_t member) {
    prepare_experts(
        second,
        [&](uint32_t row) { return expert_buffers_.gate.as<float>() + size_t{row} * width; },
        slice_of(step.wave.n_rows, member, pool_.n_threads()));
  });
  pool_.run([&](uint32_t member) { expert_down(second, prepared_.view(), member); });
  pool_.run([&](uint32_t member) { add_experts(second, member); });
}

void CpuBackend::experts(const ExpertsOp& op) {
  const Experts& gate = *op.gate;
  QUERN_CHECK(gate.n_columns() == op.x->n_columns() && op.out != op.x &&
              op.down->n_rows() == op.out->n_columns() && op.down->n_columns() == gate.n_rows());
  QUERN_CHECK(op.up->n_rows() == gate.n_rows() && op.up->n_columns() == gate.n_columns());
  QUERN_CHECK(op.n_rows <= op.x->max_rows() && op.n_rows <= op.out->max_rows() &&
              op.n_rows <= op.router->max_rows());
  QUERN_CHECK(op.router->n_columns() == gate.n_experts() &&
              op.up->n_experts() == gate.n_experts() && op.down->n_experts() == gate.n_experts());
  const OpScope scope(*memory_);
  route(op);
  const bool any_codes = takes_codes(*op.gate) || takes_codes(*op.up);
  const bool all_codes = takes_codes(*op.gate) && takes_codes(*op.up);
  for (const ExpertWave& wave : routing_.waves()) {
    run_wave({.op = op,
              .wave = wave,
              .weights = cpu(gate),
              .has_codes = any_codes,
              .has_floats = !all_codes,
              .is_lone = op.n_rows == 1});
  }
}

}  // namespace quern
