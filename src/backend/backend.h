// Backend: coarse ops over a whole batch, and the memory that they work on.
// Weights, KV and activations are the backend's own objects: nothing above this header looks inside
// one, so that their bytes may lie on any device. A CPU runs an op at once; a GPU may record it
// until finish().
//
// Not thread-safe: one thread drives a backend. Objects are owned by whoever asked for them and
// must not outlive their backend. Ops cannot fail for outside reasons (shapes are the caller's
// contract, checked); a device's failure is told by finish(). No op allocates.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace quern {

// ---- objects ----

// A weight matrix in the backend's own layout.
class Matrix {
 public:
  virtual ~Matrix() = default;
  DType dtype() const { return dtype_; }
  uint32_t n_rows() const { return n_rows_; }
  uint32_t n_columns() const { return n_columns_; }
  virtual uint64_t n_bytes() const = 0;

 protected:
  Matrix(DType dtype, uint32_t n_rows, uint32_t n_columns)
      : dtype_(dtype), n_rows_(n_rows), n_columns_(n_columns) {}

 private:
  DType dtype_;
  uint32_t n_rows_;
  uint32_t n_columns_;
};

// Weight matrices of one type and one shape, one an expert, in the backend's own layout.
class Experts {
 public:
  virtual ~Experts() = default;
  DType dtype() const { return dtype_; }
  uint32_t n_experts() const { return n_experts_; }
  uint32_t n_rows() const { return n_rows_; }  // of each
  uint32_t n_columns() const { return n_columns_; }
  virtual uint64_t n_bytes() const = 0;

 protected:
  struct Dims {
    uint32_t n_experts = 0;
    uint32_t n_rows = 0;
    uint32_t n_columns = 0;
  };
  Experts(DType dtype, const Dims& dims)
      : dtype_(dtype),
        n_experts_(dims.n_experts),
        n_rows_(dims.n_rows),
        n_columns_(dims.n_columns) {}

 private:
  DType dtype_;
  uint32_t n_experts_;
  uint32_t n_rows_;
  uint32_t n_columns_;
};

// A weight vector, f32.
class Vector {
 public:
  virtual ~Vector() = default;
  uint32_t n() const { return n_; }

 protected:
  explicit Vector(uint32_t n) : n_(n) {}

 private:
  uint32_t n_;
};

// Rows of intermediate values, f32 [max_rows, n_columns].
class Activations {
 public:
  virtual ~Activations() = default;
  uint32_t max_rows() const { return max_rows_; }
  uint32_t n_columns() const { return n_columns_; }

 protected:
  Activations(uint32_t max_rows, uint32_t n_columns) : max_rows_(max_rows), n_columns_(n_columns) {}

 private:
  uint32_t max_rows_;
  uint32_t n_columns_;
};

struct KvSpec {
  uint32_t n_layers = 0;
  uint32_t n_blocks = 0;  // of kKvBlockTokens positions
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;
  KvDType dtype = KvDType::f16;
};

// Paged KV memory of all layers. Blocks never written take no physical memory.
class KvStorage {
 public:
  virtual ~KvStorage() = default;
  const KvSpec& spec() const { return spec_; }
  virtual uint64_t n_bytes() const = 0;

 protected:
  explicit KvStorage(const KvSpec& spec) : spec_(spec) {}

 private:
  KvSpec spec_;
};

// A rotary embedding: pair i of a head turns by position * inverse_frequencies[i].
struct RopeSpec {
  std::vector<double> inverse_frequencies;  // [n_rotated / 2]
  double magnitude = 1.0;                   // factor on cos and sin (YaRN)
  bool interleaved = false;                 // pairs (2i, 2i + 1), else (i, i + n_rotated / 2)
};
class Rope {
 public:
  virtual ~Rope() = default;
};

// ---- one step's input ----

struct StepSequence {
  uint32_t first_row = 0;
  uint32_t n_rows = 0;
  uint32_t position = 0;  // of the first row; the KV of all earlier positions is present
  std::span<const BlockId> blocks;
};

// The spans must stay valid until finish().
struct StepInput {
  std::span<const TokenId> tokens;          // [n_rows]
  std::span<const int32_t> positions;       // [n_rows]
  std::span<const StepSequence> sequences;  // in row order, without gaps
};

// ---- op arguments; every `n_rows` is at most the activations' max_rows ----

struct MatrixSource {
  DType dtype = DType::f32;
  uint32_t n_rows = 0;
  uint32_t n_columns = 0;
  ByteSpan bytes;  // rows as in the file, read during load_matrix() only
};

struct ExpertsSource {
  DType dtype = DType::f32;
  uint32_t n_rows = 0;  // of each
  uint32_t n_columns = 0;
  std::span<const ByteSpan> experts;  // rows as in the file, read during load_experts() only
};

// The most that experts() will be asked for.
struct ExpertsLimits {
  uint32_t max_rows = 0;
  uint32_t n_experts = 0;
  uint32_t n_used = 0;
  uint32_t d_model = 0;
  uint32_t d_ff = 0;  // of an expert
};

struct EmbedArgs {
  const Matrix* table = nullptr;  // [vocab_size, n_columns]
  Activations* out = nullptr;
  float scale = 1.0F;
};

struct RmsNormOp {
  const Activations* x = nullptr;
  const Vector* weight = nullptr;
  Activations* out = nullptr;  // may be x
  uint32_t n_rows = 0;
  uint32_t n_heads = 1;  // the columns are normed in so many equal parts, each with `weight`
  float eps = 0;
};

struct LinearTarget {
  const Matrix* weight = nullptr;
  const Vector* bias = nullptr;  // null for none
  Activations* out = nullptr;    // [n_rows, weight->n_rows()]
};
struct LinearOp {
  const Activations* x = nullptr;
  std::span<const LinearTarget> targets;  // x is prepared once for all of them
  uint32_t n_rows = 0;
  // Where a backend rounds x for quantised weights, it keeps about 15 bits of it instead of 8.
  bool precise = false;
};

struct RopeOp {
  Activations* x = nullptr;  // [n_rows, n_heads, head_dim], in place
  const Rope* rope = nullptr;
  uint32_t n_heads = 0;
  uint32_t head_dim = 0;
};

struct KvWriteOp {
  KvStorage* kv = nullptr;
  uint32_t layer = 0;
  const Activations* k = nullptr;  // [n_rows, n_kv_heads * head_dim]
  const Activations* v = nullptr;
};

struct AttentionOp {
  const KvStorage* kv = nullptr;
  uint32_t layer = 0;
  const Activations* q = nullptr;  // [n_rows, n_heads * head_dim]
  Activations* out = nullptr;      // the same shape
  uint32_t n_heads = 0;
  float scale = 0;
  float softcap = 0;    // 0 is off
  uint32_t window = 0;  // a token sees so many positions, its own included; 0 is all
};

enum class GatedKind : uint8_t { silu, gelu_tanh };
struct GatedOp {
  const Activations* gate = nullptr;
  const Activations* up = nullptr;
  Activations* out = nullptr;  // may be gate
  uint32_t n_rows = 0;
  GatedKind kind = GatedKind::silu;
};

// A mixture of experts: each row is worked on by the n_used experts whose router logits are
// largest (of equal ones the lower number), and out += sum of weight * down(act(gate(x)) * up(x)),
// summed by ascending expert. The weights are the softmax of the router's logits over all experts;
// `normalise` divides the chosen ones by their sum.
struct ExpertsOp {
  const Activations* x = nullptr;       // [n_rows, d_model]
  const Activations* router = nullptr;  // [n_rows, n_experts] logits
  const Experts* gate = nullptr;        // of [d_ff, d_model]
  const Experts* up = nullptr;          // of [d_ff, d_model]
  const Experts* down = nullptr;        // of [d_model, d_ff]
  Activations* out = nullptr;           // [n_rows, d_model], added to; not x
  uint32_t n_rows = 0;
  uint32_t n_used = 0;
  bool normalise = true;
  float scale = 1.0F;  // on every weight
  GatedKind kind = GatedKind::silu;
};

// x[row] += sigmoid(logits[row]) * y[row]
struct AddWeightedOp {
  Activations* x = nullptr;
  const Activations* y = nullptr;
  const Activations* logits = nullptr;  // [n_rows, 1]
  uint32_t n_rows = 0;
};

struct BackendStats {
  uint64_t weight_bytes = 0;      // held
  uint64_t kv_bytes = 0;          // reserved
  uint64_t activation_bytes = 0;  // held, scratch included
  // By linear() and experts() since the backend was made: what they read, and the multiplications
  // and additions that they did with it.
  uint64_t weight_bytes_read = 0;
  uint64_t weight_ops = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // "cpu (avx512, 2 threads)"
  virtual std::string_view name() const = 0;
  // Of the kernels: "avx512", or the device's.
  virtual std::string_view isa() const = 0;
  virtual BackendStats stats() const = 0;
  // True when linear() and experts() can multiply with weights of this type.
  virtual bool supports(DType dtype) const = 0;

  // Errors: out_of_memory; device.
  virtual Result<std::unique_ptr<Matrix>> load_matrix(const MatrixSource& source) = 0;
  virtual Result<std::unique_ptr<Experts>> load_experts(const ExpertsSource& source) = 0;
  virtual Result<std::unique_ptr<Vector>> load_vector(std::span<const float> values) = 0;
  virtual Result<std::unique_ptr<Activations>> make_activations(uint32_t max_rows,
                                                                uint32_t n_columns) = 0;
  virtual Result<std::unique_ptr<KvStorage>> make_kv(const KvSpec& spec) = 0;
  virtual Result<std::unique_ptr<Rope>> make_rope(const RopeSpec& spec) = 0;
  // Sets aside what experts() works in; before its first use.
  virtual Status reserve_experts(const ExpertsLimits& limits) = 0;

  // Starts a step; the ops below work on its rows until finish(). Once more within a step: the ops
  // that follow work on these rows instead.
  virtual void begin(const StepInput& input) = 0;
  virtual Status finish() = 0;

  virtual void embed(const EmbedArgs& args) = 0;
  virtual void rms_norm(const RmsNormOp& op) = 0;
  virtual void linear(const LinearOp& op) = 0;
  virtual void rope(const RopeOp& op) = 0;
  virtual void kv_write(const KvWriteOp& op) = 0;
  virtual void attention(const AttentionOp& op) = 0;
  virtual void gated(const GatedOp& op) = 0;
  virtual void experts(const ExpertsOp& op) = 0;
  virtual void add_weighted(const AddWeightedOp& op) = 0;
  // x += y, n_rows rows.
  virtual void add(Activations& x, const Activations& y, uint32_t n_rows) = 0;
  // out[i] = x[rows[i]]. Where rows ascend, out may be x.
  virtual void gather(const Activations& x, std::span<const uint32_t> rows, Activations& out) = 0;
  // Copies row `row` to the host. Waits for the ops before it.
  virtual void read_row(const Activations& x, uint32_t row, std::span<float> out) = 0;
};

}  // namespace quern
