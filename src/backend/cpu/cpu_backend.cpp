// Making and loading: everything that may allocate.
#include "backend/cpu/cpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"
#include "base/system_info.h"
#include "kernels/pack.h"

namespace quern {
namespace {

constexpr uint32_t kPreparedRowsPerToken = 2;  // of a precise operand

uint64_t round_up_64(uint64_t n) {
  return (n + 63) / 64 * 64;
}

Error unknown_isa(const CpuFeatures& features, const std::string& isa) {
  std::string usable;
  for (const std::string_view name : {"avx512", "avx2", "neon", "scalar"}) {
    if (choose_kernels(features, name) != nullptr) {
      usable += fmt::format("{}{}", usable.empty() ? "" : ", ", name);
    }
  }
  return {.kind = ErrorKind::usage,
          .where = "kernels",
          .what = fmt::format("there are no kernels for the instruction set '{}' (QUERN_ISA) here",
                              isa),
          .expected = "one of " + usable};
}

}  // namespace

Result<std::unique_ptr<Backend>> make_cpu_backend(CpuBackendOptions options) {
  std::optional<std::string_view> forced;
  if (options.isa) {
    forced = *options.isa;
  }
  const CpuFeatures features = CpuFeatures::detect();
  const KernelTable* kernels = choose_kernels(features, forced);
  if (kernels == nullptr) {
    return fail(unknown_isa(features, *options.isa));
  }
  const uint32_t n_threads = options.n_threads == 0 ? available_cores() : options.n_threads;
  auto memory = options.memory ? std::move(options.memory) : make_process_memory();
  auto backend = std::make_unique<CpuBackend>(*kernels, n_threads, std::move(memory));
  backend->set_pack_on_caller(options.pack_on_caller);
  return backend;
}

Status PreparedBuffer::reserve(uint64_t n_values) {
  if (n_values <= n_values_) {
    return {};
  }
  const uint64_t n = round_up_64(n_values);
  // codes, scales of 32, sums of 16, floats
  QUERN_ASSIGN(buffer_, AlignedBuffer::allocate(n + n / 32 * 4 + n / 16 * 4 + n * 4 + 256));
  n_values_ = n;
  return {};
}

Prepared PreparedBuffer::view() const {
  auto* base = const_cast<std::byte*>(buffer_.data());
  Prepared p;
  p.codes = reinterpret_cast<int8_t*>(base);
  p.scales = reinterpret_cast<float*>(base + n_values_);
  p.sums = reinterpret_cast<int32_t*>(base + n_values_ + round_up_64(n_values_ / 32 * 4));
  p.floats = reinterpret_cast<float*>(base + n_values_ + round_up_64(n_values_ / 32 * 4) +
                                      n_values_ / 16 * 4);
  return p;
}

CpuBackend::CpuBackend(const KernelTable& kernels, uint32_t n_threads,
                       std::unique_ptr<CpuMemory> memory)
    : kernels_(kernels),
      pool_(n_threads),
      memory_(std::move(memory)),
      name_(fmt::format("cpu ({}, {} threads)", kernels.isa, pool_.n_threads())),
      workspaces_(pool_.n_threads()) {}

BackendStats CpuBackend::stats() const {
  BackendStats stats = stats_;
  stats.activation_bytes += prepared_.n_bytes() + partials_.size();
  stats.activation_bytes +=
      expert_buffers_.gate.size() + expert_buffers_.up.size() + expert_buffers_.down.size();
  for (const Workspace& w : workspaces_) {
    stats.activation_bytes +=
        w.matmul.size() + w.attention.size() + w.row.size() + w.prepared.n_bytes();
  }
  stats.weight_bytes_read = weight_bytes_read_.load();
  stats.weight_ops = weight_ops_.load();
  return stats;
}

bool CpuBackend::supports(DType dtype) const {
  return kernels_.matmul[static_cast<size_t>(dtype)] != nullptr;
}

uint64_t CpuBackend::padded_rows(uint32_t n_rows) const {
  return (uint64_t{n_rows} + kernels_.tile_rows - 1) / kernels_.tile_rows * kernels_.tile_rows;
}

Status CpuBackend::grow(AlignedBuffer& buffer, uint64_t n_bytes) {
  if (buffer.size() < n_bytes) {
    QUERN_ASSIGN(buffer, AlignedBuffer::allocate(n_bytes));
  }
  return {};
}

Status CpuBackend::reserve_matmul(uint32_t n_columns, uint64_t row_size) {
  for (Workspace& w : workspaces_) {
    QUERN_TRY(grow(w.matmul, kernels_.matmul_scratch_bytes(n_columns)));
    QUERN_TRY(grow(w.row, row_size));
    QUERN_TRY(w.prepared.reserve(uint64_t{n_columns} * kPrivateRows * kPreparedRowsPerToken));
  }
  return {};
}

void CpuBackend::pack_rows(const MatrixSource& source, std::byte* out, Slice panels) const {
  const uint64_t row_size = *row_bytes(source.dtype, source.n_columns);
  for (uint32_t panel = panels.begin; panel < panels.end; ++panel) {
    const uint32_t row = panel * kernels_.panel_rows;
    const uint32_t present =
        row < source.n_rows ? std::min(kernels_.panel_rows, source.n_rows - row) : 0;
    pack_panel({.dtype = source.dtype,
                .panel_rows = kernels_.panel_rows,
                .n_columns = source.n_columns,
                .n_rows = present,
                .rows = source.bytes.data() + row * row_size,
                .panel = out + row * row_size});
  }
}

Result<std::unique_ptr<Matrix>> CpuBackend::load_matrix(const MatrixSource& source) {
  QUERN_CHECK(supports(source.dtype));
  const uint64_t row_size = *row_bytes(source.dtype, source.n_columns);
  QUERN_CHECK(source.bytes.size() >= row_size * source.n_rows);
  QUERN_TRY(reserve_matmul(source.n_columns, row_size));
  const uint64_t rows = padded_rows(source.n_rows);
  QUERN_ASSIGN(auto block, memory_->allocate(rows * row_size, Pages::big));
  stats_.weight_bytes += block->n_bytes();
  const OpScope scope(*memory_);
  const auto n_panels = static_cast<uint32_t>(rows / kernels_.panel_rows);
  const auto part = [&](uint32_t member) {
    pack_rows(source, block->data(), slice_of(n_panels, member, pool_.n_threads()));
  };
  if (pack_on_caller_) {
    pack_rows(source, block->data(), {0, n_panels});
  } else {
    pool_.run(part);
  }
  return std::make_unique<CpuMatrix>(source, std::move(block));
}

Result<std::unique_ptr<Experts>> CpuBackend::load_experts(const ExpertsSource& source) {
  QUERN_CHECK(supports(source.dtype) && !source.experts.empty());
  const uint64_t row_size = *row_bytes(source.dtype, source.n_columns);
  QUERN_TRY(reserve_matmul(source.n_columns, row_size));
  const uint64_t rows = padded_rows(source.n_rows);
  QUERN_ASSIGN(auto block, memory_->allocate(rows * row_size * source.experts.size(), Pages::big));
  stats_.weight_bytes += block->n_bytes();
  auto experts = std::make_unique<CpuExperts>(source, std::move(block));
  const auto n_panels = static_cast<uint32_t>(rows / kernels_.panel_rows);  // of each
  const OpScope scope(*memory_);
  const auto part = [&](uint32_t member) {
    for (uint32_t e = 0; e < experts->n_experts(); ++e) {
      QUERN_CHECK(source.experts[e].size() >= row_size * source.n_rows);
      pack_rows({.dtype = source.dtype,
                 .n_rows = source.n_rows,
                 .n_columns = source.n_columns,
                 .bytes = source.experts[e]},
                experts->data(e), slice_of(n_panels, member, pool_.n_threads()));
    }
  };
  pool_.run(part);
  return experts;
}

Result<std::unique_ptr<Vector>> CpuBackend::load_vector(std::span<const float> values) {
  QUERN_ASSIGN(auto block, memory_->allocate(values.size_bytes(), Pages::small));
  stats_.weight_bytes += block->n_bytes();
  const OpScope scope(*memory_);
  std::memcpy(block->data(), values.data(), values.size_bytes());
  return std::make_unique<CpuVector>(static_cast<uint32_t>(values.size()), std::move(block));
}

Result<std::unique_ptr<Activations>> CpuBackend::make_activations(uint32_t max_rows,
                                                                  uint32_t n_columns) {
  const uint64_t n_values = uint64_t{max_rows} * n_columns;
  QUERN_ASSIGN(auto block, memory_->allocate(n_values * sizeof(float), Pages::small));
  QUERN_TRY(prepared_.reserve(n_values * kPreparedRowsPerToken));
  stats_.activation_bytes += block->n_bytes();
  max_rows_ = std::max(max_rows_, max_rows);
  rope_values_.reserve(size_t{max_rows_} * max_rotated_);
  group_ends_.reserve(max_rows_);  // no sequence is without a row
  return std::make_unique<CpuActivations>(max_rows, n_columns, std::move(block));
}

Result<std::unique_ptr<KvStorage>> CpuBackend::make_kv(const KvSpec& spec) {
  const uint64_t layer_bytes =
      2 * uint64_t{spec.n_blocks} * spec.n_kv_heads * kv_head_bytes(spec.dtype, spec.head_dim);
  QUERN_TRY(reserve_attention(spec));
  QUERN_ASSIGN(auto block, memory_->allocate(layer_bytes * spec.n_layers, Pages::big));
  stats_.kv_bytes += block->n_bytes();
  return std::make_unique<CpuKv>(spec, std::move(block));
}

Result<std::unique_ptr<Rope>> CpuBackend::make_rope(const RopeSpec& spec) {
  auto rope = std::make_unique<CpuRope>(spec);
  max_rotated_ = std::max(max_rotated_, rope->n_rotated());
  rope_values_.reserve(size_t{max_rows_} * max_rotated_);
  return rope;
}

KvLayer CpuKv::layer(uint32_t index) const {
  const KvSpec& s = spec();
  KvLayer layer;
  layer.type = s.dtype;
  layer.n_kv_heads = s.n_kv_heads;
  layer.head_dim = s.head_dim;
  layer.head_stride = kv_head_stride(s.dtype, s.head_dim);
  layer.head_bytes = kv_head_bytes(s.dtype, s.head_dim);
  // A block's layers lie together, so that the blocks used so far touch as few big pages as can be.
  // A head's keys and values lie together too: memory is quicker the more is read in one piece.
  layer.head_pitch = 2 * layer.head_bytes;
  const uint64_t layer_bytes = s.n_kv_heads * layer.head_pitch;
  layer.block_stride = layer_bytes * s.n_layers;
  layer.k = block_->data() + index * layer_bytes;
  layer.v = layer.k + layer.head_bytes;
  return layer;
}

}  // namespace quern
