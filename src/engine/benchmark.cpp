#include "engine/benchmark.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/aligned_buffer.h"
#include "base/system_info.h"
#include "base/thread_pool.h"
#include "gguf/active.h"
#include "kernels/kernel_table.h"
#include "sampling/usable_logits.h"
#include "scheduler/sequence.h"

namespace quern {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// The best of a few runs of `work` on every thread, in units a second.
double best_rate(ThreadPool& pool, const std::function<uint64_t(uint32_t member)>& work) {
  constexpr int kRuns = 5;
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<uint64_t> done(pool.n_threads());
    const auto part = [&](uint32_t member) { done[member] = work(member); };
    const int64_t start = monotonic_us();
    pool.run(part);
    const auto us = static_cast<double>(std::max<int64_t>(1, monotonic_us() - start));
    uint64_t sum = 0;
    for (const uint64_t n : done) {
      sum += n;
    }
    best = std::max(best, static_cast<double>(sum) * 1e6 / us);
  }
  return best;
}

// Sequences of made-up tokens that walk through a model together.
class Walk {
 public:
  Walk(LoadedModel& loaded, const BenchmarkSpec& spec, KvStorage& kv)
      : model_(loaded.model()),
        spec_(spec),
        kv_(kv),
        n_done_(spec.n_seqs, 0),
        logits_(model_.config().vocab_size) {}

  // Computes `n` tokens of every sequence, chunk by chunk; the last of each gives logits.
  Status prompt(uint32_t n) {
    for (uint32_t seq = 0; seq < spec_.n_seqs; ++seq) {
      for (uint32_t left = n; left > 0;) {
        const uint32_t rows = std::min(left, model_.max_rows());
        left -= rows;
        batch_.clear();
        append(seq, rows, left == 0);
        QUERN_TRY(run());
      }
    }
    return {};
  }

  // One token of every sequence together.
  Status generate() {
    batch_.clear();
    for (uint32_t seq = 0; seq < spec_.n_seqs; ++seq) {
      append(seq, 1, true);
    }
    return run();
  }

  // The speed of a model that computes no numbers is no result.
  Status check_logits() const { return are_usable(logits_) ? Status() : unusable_logits("bench"); }

  void rewind(uint32_t n_tokens) { std::ranges::fill(n_done_, n_tokens); }

 private:
  void append(uint32_t seq, uint32_t rows, bool with_logits) {
    const uint32_t capacity = n_kv_blocks(spec_.n_depth + spec_.n_prompt + spec_.n_gen);
    batch_.sequences.push_back({.seq = SeqId{seq},
                                .first_row = batch_.n_rows(),
                                .n_rows = rows,
                                .position = n_done_[seq],
                                .first_block = static_cast<uint32_t>(batch_.blocks.size()),
                                .n_blocks = capacity});
    for (uint32_t i = 0; i < capacity; ++i) {
      batch_.blocks.push_back(BlockId{static_cast<int32_t>(seq * capacity + i)});
    }
    for (uint32_t i = 0; i < rows; ++i) {
      const uint32_t position = n_done_[seq]++;
      // Spread over the vocabulary, so that the embedding's rows are not all in the cache.
      const uint64_t token = (uint64_t{position} * 2654435761U + seq) % model_.config().vocab_size;
      batch_.tokens.push_back(TokenId{static_cast<int32_t>(token)});
      batch_.positions.push_back(static_cast<int32_t>(position));
    }
    if (with_logits) {
      batch_.logit_rows.push_back(batch_.n_rows() - 1);
    }
  }

  Status run() {
    QUERN_TRY(model_.forward(batch_, kv_));
    for (uint32_t i = 0; i < batch_.logit_rows.size(); ++i) {
      model_.logits(i, logits_);
    }
    return {};
  }

  Model& model_;
  const BenchmarkSpec& spec_;
  KvStorage& kv_;
  Batch batch_;
  std::vector<uint32_t> n_done_;
  std::vector<float> logits_;
};

std::string title(const BenchmarkSpec& spec) {
  std::string text =
      spec.n_gen == 0 ? fmt::format("pp{}", spec.n_prompt) : fmt::format("tg{}", spec.n_gen);
  if (spec.n_depth > 0) {
    text += fmt::format(" @ d{}", spec.n_depth);
  }
  if (spec.n_seqs > 1) {
    text += fmt::format(" x {}", spec.n_seqs);
  }
  return text;
}

Status run_once(Walk& walk, const BenchmarkSpec& spec) {
  if (spec.n_gen == 0) {
    return walk.prompt(spec.n_prompt);
  }
  for (uint32_t i = 0; i < spec.n_gen; ++i) {
    QUERN_TRY(walk.generate());
  }
  return {};
}

}  // namespace

Result<MachinePeak> measure_peak(const BenchmarkSetup& setup) {
  const KernelTable* table = choose_kernels(CpuFeatures::detect(), std::string_view(setup.isa));
  if (table == nullptr) {
    return fail({.kind = ErrorKind::usage,
                 .where = "bench",
                 .what = "unknown instruction set " + setup.isa,
                 .expected = {}});
  }
  constexpr uint64_t kOps = 2'000'000'000;
  ThreadPool pool(setup.n_threads);
  // Far beyond any cache, so that memory is what is measured; together no more than 2 GiB.
  const uint64_t buffer_bytes = (uint64_t{2} << 30) / std::max(16U, pool.n_threads()) / 4096 * 4096;
  std::vector<AlignedBuffer> buffers;
  for (uint32_t i = 0; i < pool.n_threads(); ++i) {
    QUERN_ASSIGN(AlignedBuffer buffer, AlignedBuffer::allocate(buffer_bytes));
    std::fill_n(buffer.as<uint64_t>(), buffer_bytes / sizeof(uint64_t), uint64_t{i} + 1);
    buffers.push_back(std::move(buffer));
  }
  MachinePeak peak;
  peak.gb_per_s = best_rate(pool,
                            [&](uint32_t member) {
                              return table->peak.read_bytes(buffers[member].data(), buffer_bytes);
                            }) /
                  1e9;
  peak.int8_tops = best_rate(pool, [&](uint32_t) { return table->peak.int8_ops(kOps); }) / 1e12;
  peak.f32_tops = best_rate(pool, [&](uint32_t) { return table->peak.f32_ops(kOps / 4); }) / 1e12;
  return peak;
}

WeightCount count_weights(const LoadedModel& loaded) {
  WeightCount count;
  const bool tied = loaded.card().find_tensor("output.weight") == nullptr;
  uint64_t quantised = 0;
  for (const TensorInfo& tensor : loaded.card().tensors()) {
    const bool is_embedding = tensor.name == "token_embd.weight";
    if (tensor.shape.n_dims() < 2 || (is_embedding && !tied)) {
      continue;
    }
    const uint64_t n = active_part(loaded.card(), tensor, tensor.shape.n_elements().value_or(0));
    const bool is_head = is_embedding || tensor.name == "output.weight";
    (is_head ? count.n_head_weights : count.n_layer_weights) += n;
    count.n_bytes += tensor.n_bytes;
    quantised += traits(tensor.dtype).quantised ? n : 0;
  }
  count.quantised = 2 * quantised > count.n_layer_weights + count.n_head_weights;
  return count;
}

Result<BenchmarkResult> run_benchmark(LoadedModel& loaded, const BenchmarkSpec& spec,
                                      const std::function<void(uint32_t rep)>& progress) {
  const uint32_t blocks_per_seq = n_kv_blocks(spec.n_depth + spec.n_prompt + spec.n_gen);
  QUERN_ASSIGN(const auto kv, loaded.model().make_kv(blocks_per_seq * spec.n_seqs, KvDType::f16));
  Walk walk(loaded, spec, *kv);
  QUERN_TRY(walk.prompt(spec.n_depth));
  QUERN_TRY(run_once(walk, spec));  // warms caches and faults pages in; not counted
  QUERN_TRY(walk.check_logits());

  BenchmarkResult result;
  result.test = title(spec);
  result.spec = spec;
  const double n_tokens = double{1} * spec.n_seqs * (spec.n_gen == 0 ? spec.n_prompt : spec.n_gen);
  BackendStats done;  // in a repetition
  for (uint32_t rep = 0; rep < spec.n_reps; ++rep) {
    walk.rewind(spec.n_depth);
    const BackendStats before = loaded.backend().stats();
    const int64_t start = monotonic_us();
    QUERN_TRY(run_once(walk, spec));
    const auto us = static_cast<double>(std::max<int64_t>(1, monotonic_us() - start));
    done = loaded.backend().stats();
    done.weight_bytes_read -= before.weight_bytes_read;
    done.weight_ops -= before.weight_ops;
    result.samples.push_back(n_tokens * 1e6 / us);
    progress(rep);
  }
  result.tokens_per_s = median(result.samples);
  const double seconds = n_tokens / result.tokens_per_s;
  result.gb_per_s = static_cast<double>(done.weight_bytes_read) / seconds / 1e9;
  result.tops = static_cast<double>(done.weight_ops) / seconds / 1e12;
  return result;
}

}  // namespace quern
