// The CPU backend's side of the objects that backend.h hands out.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "backend/cpu/cpu_memory.h"
#include "kernels/kernel_table.h"

namespace quern {

class CpuMatrix final : public Matrix {
 public:
  CpuMatrix(const MatrixSource& source, std::unique_ptr<CpuBlock> block)
      : Matrix(source.dtype, source.n_rows, source.n_columns), block_(std::move(block)) {}
  uint64_t n_bytes() const override { return block_->n_bytes(); }
  std::byte* data() const { return block_->data(); }

 private:
  std::unique_ptr<CpuBlock> block_;
};

class CpuExperts final : public Experts {
 public:
  CpuExperts(const ExpertsSource& source, std::unique_ptr<CpuBlock> block)
      : Experts(source.dtype, {.n_experts = static_cast<uint32_t>(source.experts.size()),
                               .n_rows = source.n_rows,
                               .n_columns = source.n_columns}),
        block_(std::move(block)) {}
  uint64_t n_bytes() const override { return block_->n_bytes(); }
  uint64_t expert_bytes() const { return n_bytes() / n_experts(); }
  std::byte* data(uint32_t expert) const { return block_->data() + expert * expert_bytes(); }

 private:
  std::unique_ptr<CpuBlock> block_;
};

class CpuVector final : public Vector {
 public:
  CpuVector(uint32_t n, std::unique_ptr<CpuBlock> block) : Vector(n), block_(std::move(block)) {}
  float* data() const { return reinterpret_cast<float*>(block_->data()); }

 private:
  std::unique_ptr<CpuBlock> block_;
};

class CpuActivations final : public Activations {
 public:
  CpuActivations(uint32_t max_rows, uint32_t n_columns, std::unique_ptr<CpuBlock> block)
      : Activations(max_rows, n_columns), block_(std::move(block)) {}
  float* row(size_t row) const {
    return reinterpret_cast<float*>(block_->data()) + row * n_columns();
  }

 private:
  std::unique_ptr<CpuBlock> block_;
};

class CpuKv final : public KvStorage {
 public:
  CpuKv(const KvSpec& spec, std::unique_ptr<CpuBlock> block)
      : KvStorage(spec), block_(std::move(block)) {}
  uint64_t n_bytes() const override { return block_->n_bytes(); }
  KvLayer layer(uint32_t index) const;

 private:
  std::unique_ptr<CpuBlock> block_;
};

class CpuRope final : public Rope {
 public:
  explicit CpuRope(RopeSpec spec) : spec_(std::move(spec)) {}
  const RopeSpec& spec() const { return spec_; }
  uint32_t n_rotated() const { return static_cast<uint32_t>(2 * spec_.inverse_frequencies.size()); }

 private:
  RopeSpec spec_;
};

// Every object that reaches a CPU backend was made by one.
inline const CpuMatrix& cpu(const Matrix& m) {
  return static_cast<const CpuMatrix&>(m);
}
inline const CpuExperts& cpu(const Experts& e) {
  return static_cast<const CpuExperts&>(e);
}
inline const CpuVector& cpu(const Vector& v) {
  return static_cast<const CpuVector&>(v);
}
inline const CpuActivations& cpu(const Activations& a) {
  return static_cast<const CpuActivations&>(a);
}
inline const CpuKv& cpu(const KvStorage& kv) {
  return static_cast<const CpuKv&>(kv);
}
inline const CpuRope& cpu(const Rope& r) {
  return static_cast<const CpuRope&>(r);
}

}  // namespace quern
