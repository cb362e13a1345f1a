// The ops that treat every row alone: embedding, norm, rotation, KV writes, gated activation,
// residual.
#include <cmath>
#include <cstring>

#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"
#include "kernels/pack.h"
#include "kernels/scalar/dequantise.h"

namespace quern {

void CpuBackend::begin(const StepInput& input) {
  QUERN_CHECK(input.tokens.size() <= max_rows_ && input.positions.size() == input.tokens.size());
  input_ = input;
  rope_of_step_ = nullptr;
}

void CpuBackend::embed(const EmbedArgs& args) {
  const OpScope scope(*memory_);
  const CpuMatrix& table = cpu(*args.table);
  const CpuActivations& out = cpu(*args.out);
  const uint64_t row_size = *row_bytes(table.dtype(), table.n_columns());
  for (uint32_t row = 0; row < n_rows(); ++row) {
    const auto token = static_cast<uint32_t>(value(input_.tokens[row]));
    QUERN_CHECK(token < table.n_rows());
    const uint32_t in_panel = token % kernels_.panel_rows;
    std::byte* bytes = workspaces_[0].row.data();
    extract_row({.dtype = table.dtype(),
                 .panel_rows = kernels_.panel_rows,
                 .n_columns = table.n_columns(),
                 .row = in_panel,
                 .panel = table.data() + (token - in_panel) * row_size,
                 .out = bytes});
    float* x = out.row(row);
    dequantise_row(table.dtype(), bytes, x, table.n_columns());
    for (uint32_t i = 0; args.scale != 1.0F && i < table.n_columns(); ++i) {
      x[i] *= args.scale;
    }
  }
}

void CpuBackend::rms_norm(const RmsNormOp& op) {
  const OpScope scope(*memory_);
  const CpuActivations& x = cpu(*op.x);
  const CpuActivations& out = cpu(*op.out);
  const uint32_t width = x.n_columns() / op.n_heads;
  QUERN_CHECK(op.weight->n() == width && op.n_rows <= x.max_rows() && op.n_rows <= out.max_rows());
  for_rows(op.n_rows, x.n_columns(), [&](uint32_t begin, uint32_t end) {
    kernels_.rms_norm({.x = x.row(begin),
                       .x_stride = width,
                       .weight = cpu(*op.weight).data(),
                       .out = out.row(begin),
                       .out_stride = width,
                       .n_rows = (end - begin) * op.n_heads,
                       .n_columns = width,
                       .eps = op.eps});
  });
}

// Cosines and sines of the step's positions, computed at the step's first rotation.
const float* CpuBackend::rope_table(const CpuRope& rope) {
  if (rope_of_step_ == &rope) {
    return rope_values_.data();
  }
  const RopeSpec& spec = rope.spec();
  const size_t half = spec.inverse_frequencies.size();
  rope_values_.resize(size_t{2} * n_rows() * half);
  for_rows(n_rows(), 32 * half, [&](uint32_t begin, uint32_t end) {
    for (size_t row = begin; row < end; ++row) {
      float* cos = &rope_values_[row * 2 * half];
      for (size_t i = 0; i < half; ++i) {
        const double angle = input_.positions[row] * spec.inverse_frequencies[i];
        cos[i] = static_cast<float>(std::cos(angle) * spec.magnitude);
        cos[half + i] = static_cast<float>(std::sin(angle) * spec.magnitude);
      }
    }
  });
  rope_of_step_ = &rope;
  return rope_values_.data();
}

void CpuBackend::rope(const RopeOp& op) {
  const OpScope scope(*memory_);
  const CpuActivations& x = cpu(*op.x);
  const CpuRope& rope = cpu(*op.rope);
  const float* table = rope_table(rope);
  for_rows(n_rows(), x.n_columns(), [&](uint32_t begin, uint32_t end) {
    kernels_.rope({.x = x.row(begin),
                   .x_stride = x.n_columns(),
                   .cos_sin = table + size_t{begin} * rope.n_rotated(),
                   .n_rows = end - begin,
                   .n_heads = op.n_heads,
                   .head_dim = op.head_dim,
                   .n_rotated = rope.n_rotated(),
                   .interleaved = rope.spec().interleaved});
  });
}

void CpuBackend::kv_write(const KvWriteOp& op) {
  const OpScope scope(*memory_);
  const KvLayer layer = cpu(*op.kv).layer(op.layer);
  const CpuActivations& k = cpu(*op.k);
  const CpuActivations& v = cpu(*op.v);
  for (const StepSequence& sequence : input_.sequences) {
    for_rows(sequence.n_rows, 4 * size_t{k.n_columns()}, [&](uint32_t begin, uint32_t end) {
      for (uint32_t i = begin; i < end; ++i) {
        const uint32_t position = sequence.position + i;
        kernels_.kv_write({.layer = layer,
                           .k = k.row(sequence.first_row + i),
                           .v = v.row(sequence.first_row + i),
                           .block = sequence.blocks[position / kKvBlockTokens],
                           .slot = position % kKvBlockTokens});
      }
    });
  }
}

void CpuBackend::gated(const GatedOp& op) {
  const OpScope scope(*memory_);
  const CpuActivations& gate = cpu(*op.gate);
  const CpuActivations& up = cpu(*op.up);
  const CpuActivations& out = cpu(*op.out);
  const size_t width = gate.n_columns();
  QUERN_CHECK(up.n_columns() == width && out.n_columns() == width && op.n_rows <= gate.max_rows());
  for_rows(op.n_rows, 8 * width, [&](uint32_t begin, uint32_t end) {
    kernels_.gated(
        {.gate = gate.row(begin),
         .up = up.row(begin),
         .out = out.row(begin),
         .n = (end - begin) * width,
         .activation = op.kind == GatedKind::silu ? Activation::silu : Activation::gelu_tanh});
  });
}

void CpuBackend::add(Activations& x, const Activations& y, uint32_t n_rows) {
  const OpScope scope(*memory_);
  QUERN_CHECK(x.n_columns() == y.n_columns() && n_rows <= x.max_rows() && n_rows <= y.max_rows());
  for_rows(n_rows, x.n_columns(), [&](uint32_t begin, uint32_t end) {
    kernels_.add(cpu(x).row(begin), cpu(y).row(begin), size_t{end - begin} * x.n_columns());
  });
}

void CpuBackend::add_weighted(const AddWeightedOp& op) {
  const OpScope scope(*memory_);
  const CpuActivations& x = cpu(*op.x);
  const CpuActivations& y = cpu(*op.y);
  const CpuActivations& logits = cpu(*op.logits);
  QUERN_CHECK(x.n_columns() == y.n_columns() && logits.n_columns() == 1);
  QUERN_CHECK(op.n_rows <= x.max_rows() && op.n_rows <= y.max_rows());
  for_rows(op.n_rows, x.n_columns(), [&](uint32_t begin, uint32_t end) {
    for (uint32_t row = begin; row < end; ++row) {
      const double weight = 1.0 / (1.0 + std::exp(-static_cast<double>(*logits.row(row))));
      kernels_.add_scaled({.x = x.row(row),
                           .y = y.row(row),
                           .scale = static_cast<float>(weight),
                           .n = x.n_columns()});
    }
  });
}

void CpuBackend::gather(const Activations& x, std::span<const uint32_t> rows, Activations& out) {
  const OpScope scope(*memory_);
  QUERN_CHECK(rows.size() <= out.max_rows() && x.n_columns() == out.n_columns());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (&x != &out || rows[i] != i) {
      std::memcpy(cpu(out).row(i), cpu(x).row(rows[i]), x.n_columns() * sizeof(float));
    }
  }
}

void CpuBackend::read_row(const Activations& x, uint32_t row, std::span<float> out) {
  const OpScope scope(*memory_);
  QUERN_CHECK(row < x.max_rows() && out.size() == x.n_columns());
  std::memcpy(out.data(), cpu(x).row(row), out.size_bytes());
}

}  // namespace quern
