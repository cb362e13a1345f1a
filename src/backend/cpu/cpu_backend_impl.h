// CpuBackend: the ops, each in the .cpp that bears its name.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_objects.h"
#include "backend/cpu/expert_routing.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace quern {

// Rows up to which every thread prepares the whole operand itself rather than wait for the others.
inline constexpr uint32_t kPrivateRows = 2;

// Memory for matmul operands: one view serves any shape of up to so many values.
class PreparedBuffer {
 public:
  Status reserve(uint64_t n_values);
  Prepared view() const;
  uint64_t n_bytes() const { return buffer_.size(); }

 private:
  uint64_t n_values_ = 0;
  AlignedBuffer buffer_;
};

// What a member did with weights, for the counters in BackendStats.
struct WeightWork {
  uint64_t bytes_read = 0;
  uint64_t ops = 0;
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(const KernelTable& kernels, uint32_t n_threads, std::unique_ptr<CpuMemory> memory);

  void set_pack_on_caller(bool on) { pack_on_caller_ = on; }

  std::string_view name() const override { return name_; }
  std::string_view isa() const override { return kernels_.isa; }
  BackendStats stats() const override;
  bool supports(DType dtype) const override;

  Result<std::unique_ptr<Matrix>> load_matrix(const MatrixSource& source) override;
  Result<std::unique_ptr<Experts>> load_experts(const ExpertsSource& source) override;
  Result<std::unique_ptr<Vector>> load_vector(std::span<const float> values) override;
  Result<std::unique_ptr<Activations>> make_activations(uint32_t max_rows,
                                                        uint32_t n_columns) override;
  Result<std::unique_ptr<KvStorage>> make_kv(const KvSpec& spec) override;
  Result<std::unique_ptr<Rope>> make_rope(const RopeSpec& spec) override;
  Status reserve_experts(const ExpertsLimits& limits) override;

  void begin(const StepInput& input) override;
  Status finish() override { return {}; }

  void embed(const EmbedArgs& args) override;
  void rms_norm(const RmsNormOp& op) override;
  void linear(const LinearOp& op) override;
  void rope(const RopeOp& op) override;
  void kv_write(const KvWriteOp& op) override;
  void attention(const AttentionOp& op) override;
  void gated(const GatedOp& op) override;
  void experts(const ExpertsOp& op) override;
  void add_weighted(const AddWeightedOp& op) override;
  void add(Activations& x, const Activations& y, uint32_t n_rows) override;
  void gather(const Activations& x, std::span<const uint32_t> rows, Activations& out) override;
  void read_row(const Activations& x, uint32_t row, std::span<float> out) override;

 private:
  // Opens the memory for the length of an op.
  class OpScope {
   public:
    explicit OpScope(CpuMemory& memory) : memory_(memory) { memory_.open(); }
    ~OpScope() { memory_.close(); }
    OpScope(const OpScope&) = delete;
    OpScope& operator=(const OpScope&) = delete;

   private:
    CpuMemory& memory_;
  };

  // What one thread works in.
  struct Workspace {
    AlignedBuffer matmul;
    AlignedBuffer attention;
    AlignedBuffer row;        // one matrix row's bytes
    PreparedBuffer prepared;  // for steps so small that every thread prepares its own operand
  };

  // What experts() works in, a wave at a time.
  struct ExpertBuffers {
    AlignedBuffer gate;  // [max wave rows, d_ff]
    AlignedBuffer up;    // the same
    AlignedBuffer down;  // [max wave rows, d_model]
  };
  struct ExpertStep;

  struct AttentionPlan;
  struct AttentionGroup;
  struct AttentionStep;
  struct AttentionWave;
  struct Partition;

  uint32_t n_rows() const { return static_cast<uint32_t>(input_.tokens.size()); }
  uint64_t padded_rows(uint32_t n_rows) const;
  Status grow(AlignedBuffer& buffer, uint64_t n_bytes);
  Status reserve_matmul(uint32_t n_columns, uint64_t row_size);
  Status reserve_attention(const KvSpec& spec);
  void pack_rows(const MatrixSource& source, std::byte* out, Slice panels) const;
  void prepare(const LinearOp& op, const Prepared& out, Slice tokens) const;
  void multiply(const LinearOp& op, const Prepared& x, uint32_t member);
  void route(const ExpertsOp& op);
  void run_wave(const ExpertStep& step);
  void wave_hidden(const ExpertStep& step);
  Prepared lone_expert_input(const ExpertStep& step, uint32_t member);
  void expert_hidden(const ExpertStep& step, const Prepared& x, uint32_t member);
  void expert_down(const ExpertStep& step, const Prepared& x, uint32_t member);
  void add_experts(const ExpertStep& step, uint32_t member);
  template <typename RowAt>
  void prepare_experts(const ExpertStep& step, const RowAt& row_at, Slice rows) const;
  template <typename Work>
  void for_expert_tiles(const ExpertStep& step, uint32_t member, const Work& work) const;
  // Of multiplying one row of activations with tiles [begin, end) of n_rows x n_columns weights.
  uint64_t product_ops(Slice tiles, uint64_t n_rows, uint64_t n_columns) const;
  void count(const WeightWork& work);
  const float* rope_table(const CpuRope& rope);

  bool plan_attention(const AttentionOp& op, AttentionPlan& plan);
  void attend_partition(const AttentionPlan& plan, const AttentionGroup& group,
                        const AttentionStep& step);
  void attend_whole(const AttentionPlan& plan, uint32_t member);
  void attend_split(const AttentionPlan& plan);
  AttentionState partial(const AttentionPlan& plan, uint32_t unit, uint32_t slot);
  Partition partition_of(const AttentionPlan& plan, const AttentionWave& wave, uint32_t i) const;
  void attend_wave(const AttentionPlan& plan, const AttentionWave& wave, uint32_t member);
  void merge_wave(const AttentionPlan& plan, const AttentionWave& wave, uint32_t unit);

  // Runs work(begin, end) over the rows on all threads when there is enough to do, else at once
  // here.
  template <typename Work>
  void for_rows(uint32_t n_rows, uint64_t values_per_row, const Work& work) {
    constexpr uint64_t kWorthWaking = 16'384;  // values: some 2 us, about what a wake-up costs
    if (n_rows == 1 || n_rows * values_per_row < kWorthWaking) {
      work(0, n_rows);
      return;
    }
    const auto part = [&](uint32_t member) {
      const Slice slice = slice_of(n_rows, member, pool_.n_threads());
      work(slice.begin, slice.end);
    };
    pool_.run(part);
  }

  const KernelTable& kernels_;
  ThreadPool pool_;
  std::unique_ptr<CpuMemory> memory_;
  std::string name_;
  bool pack_on_caller_ = false;
  StepInput input_;

  std::vector<Workspace> workspaces_;
  PreparedBuffer prepared_;
  uint32_t max_rows_ = 0;     // of any activations
  uint32_t max_rotated_ = 0;  // of any rope

  std::vector<float> rope_values_;         // of the current step, [n_rows][2][n_rotated / 2]
  const CpuRope* rope_of_step_ = nullptr;  // whose values those are; null after begin()

  ExpertRouting routing_;  // of the op at hand
  ExpertBuffers expert_buffers_;

  AlignedBuffer partials_;    // attention states of split sequences
  uint32_t head_stride_ = 0;  // the largest of any KV storage
  std::atomic<uint32_t> next_unit_{0};
  std::vector<uint32_t> group_ends_;  // of the attention op, see AttentionPlan; one a sequence

  BackendStats stats_;
  std::atomic<uint64_t> weight_bytes_read_{0};
  std::atomic<uint64_t> weight_ops_{0};
};

}  // namespace quern
