// Attention over the paged KV of every sequence in the batch.
//
// A unit is a few query rows (tokens x heads of one KV head) of one sequence. Its keys are walked
// in fixed partitions of absolute positions, and the partitions' states are merged in order. With
// enough units each is walked by one thread; with few (long contexts, few sequences) the partitions
// themselves are dealt out and merged afterwards. Both do the same arithmetic in the same order.
#include <algorithm>

#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"

namespace quern {
namespace {

constexpr uint32_t kUnitsPerThread = 4;  // fewer than this and partitions are dealt out
// Keys and values of one KV head that stay in a core's second cache while units walk them in turn.
constexpr uint64_t kCachedBytes = uint64_t{256} * 1024;
constexpr uint32_t kPartialsPerThread = 32;  // attention states that fit the shared buffer

// Queries of one pass, and where they come from and go to.
struct Queries {
  uint32_t n = 0;
  const float* q[kAttentionQueries];
  float* out[kAttentionQueries];
  uint32_t n_keys[kAttentionQueries];
  uint32_t min_key[kAttentionQueries];

  // One past the last that some query sees.
  uint32_t last_key() const { return *std::max_element(n_keys, n_keys + n); }
};

// Splits n into parts of at most kAttentionQueries, as even as possible.
uint32_t even_part(uint32_t n) {
  const uint32_t parts = (n + kAttentionQueries - 1) / kAttentionQueries;
  return (n + parts - 1) / parts;
}

uint64_t state_floats(uint32_t head_stride) {
  return uint64_t{kAttentionQueries} * (head_stride + 2);
}

AttentionState state_at(float* floats) {
  return {.max = floats,
          .sum = floats + kAttentionQueries,
          .out = floats + size_t{2} * kAttentionQueries};
}

}  // namespace

struct CpuBackend::AttentionPlan {
  const AttentionOp* op = nullptr;
  KvLayer layer;
  uint32_t heads_per_unit = 0;  // of one KV head's group
  uint32_t rows_per_unit = 0;
  uint32_t units_per_row_tile = 0;  // over all KV heads
  uint32_t n_units = 0;

  // A unit's place: which sequence, rows and heads.
  struct Unit {
    const StepSequence* sequence = nullptr;
    uint32_t first_row = 0;  // within the sequence
    uint32_t n_rows = 0;
    uint32_t kv_head = 0;
    uint32_t first_head = 0;
    uint32_t n_heads = 0;
  };

  Unit unit(const StepInput& input, uint32_t index) const {
    for (const StepSequence& sequence : input.sequences) {
      const uint32_t tiles = (sequence.n_rows + rows_per_unit - 1) / rows_per_unit;
      const uint32_t n = tiles * units_per_row_tile;
      if (index < n) {
        return unit_of(sequence, index);
      }
      index -= n;
    }
    check_failed("index < n_units", __FILE__, __LINE__);
  }

  Unit unit_of(const StepSequence& sequence, uint32_t index) const {
    const uint32_t group = op->n_heads / layer.n_kv_heads;
    const uint32_t parts = units_per_row_tile / layer.n_kv_heads;
    // Rows vary fastest, so that neighbours share a KV head's keys.
    const uint32_t tiles = (sequence.n_rows + rows_per_unit - 1) / rows_per_unit;
    const uint32_t part = index / tiles;
    Unit u;
    u.sequence = &sequence;
    u.first_row = index % tiles * rows_per_unit;
    u.n_rows = std::min(rows_per_unit, sequence.n_rows - u.first_row);
    u.kv_head = part / parts;
    const uint32_t in_group = part % parts * heads_per_unit;
    u.first_head = u.kv_head * group + in_group;
    u.n_heads = std::min(heads_per_unit, group - in_group);
    return u;
  }

  Queries queries(const Unit& u) const {
    Queries list;
    const uint32_t dim = layer.head_dim;
    for (uint32_t r = 0; r < u.n_rows; ++r) {
      const uint32_t row = u.sequence->first_row + u.first_row + r;
      const uint32_t seen = u.sequence->position + u.first_row + r + 1;
      for (uint32_t h = u.first_head; h < u.first_head + u.n_heads; ++h) {
        list.q[list.n] = cpu(*op->q).row(row) + size_t{h} * dim;
        list.out[list.n] = cpu(*op->out).row(row) + size_t{h} * dim;
        list.n_keys[list.n] = seen;
        list.min_key[list.n] = op->window == 0 || seen <= op->window ? 0 : seen - op->window;
        ++list.n;
      }
    }
    return list;
  }

  AttentionArgs args(const Unit& u, const Queries& list) const {
    return {.layer = layer,
            .kv_head = u.kv_head,
            .blocks = u.sequence->blocks.data(),
            .first_key = 0,
            .n_queries = list.n,
            .q = list.q,
            .n_keys = list.n_keys,
            .min_key = op->window == 0 ? nullptr : list.min_key,
            .scale = op->scale,
            .softcap = op->softcap,
            .state = {},
            .scratch = nullptr,
            .fetch_ahead = u.first_row == 0 || kv_bytes(list) > kCachedBytes};
  }

  // Of the keys that a pass walks, and their values.
  uint64_t kv_bytes(const Queries& list) const {
    return uint64_t{list.last_key()} * 2 * layer.head_bytes / kKvBlockTokens;
  }

  // Partitions that hold keys which some query of the unit sees: [first, last).
  static Slice partitions(const Queries& list) {
    const uint32_t first_key = *std::min_element(list.min_key, list.min_key + list.n);
    return {first_key / kAttentionPartition,
            (list.last_key() + kAttentionPartition - 1) / kAttentionPartition};
  }
};

Status CpuBackend::reserve_attention(const KvSpec& spec) {
  head_stride_ = std::max(head_stride_, kv_head_stride(spec.dtype, spec.head_dim));
  const uint64_t state = state_floats(head_stride_) * sizeof(float);
  for (Workspace& w : workspaces_) {
    QUERN_TRY(grow(w.attention,
                   2 * state + uint64_t{kAttentionQueries} * kAttentionPartition * sizeof(float)));
  }
  return grow(partials_, state * kPartialsPerThread * pool_.n_threads());
}

// Fills `plan`; returns true when its partitions should be dealt out.
bool CpuBackend::plan_attention(const AttentionOp& op, AttentionPlan& plan) const {
  plan.op = &op;
  plan.layer = cpu(*op.kv).layer(op.layer);
  const uint32_t group = op.n_heads / plan.layer.n_kv_heads;
  plan.heads_per_unit = even_part(group);
  plan.rows_per_unit = std::max(1U, kAttentionQueries / plan.heads_per_unit);
  plan.units_per_row_tile =
      plan.layer.n_kv_heads * ((group + plan.heads_per_unit - 1) / plan.heads_per_unit);
  uint32_t longest = 0;
  for (const StepSequence& sequence : input_.sequences) {
    plan.n_units +=
        (sequence.n_rows + plan.rows_per_unit - 1) / plan.rows_per_unit * plan.units_per_row_tile;
    longest = std::max(longest, sequence.position + sequence.n_rows);
  }
  return pool_.n_threads() > 1 && plan.n_units < kUnitsPerThread * pool_.n_threads() &&
         longest > kAttentionPartition;
}

void CpuBackend::attend_whole(const AttentionPlan& plan, uint32_t member) {
  auto* floats = workspaces_[member].attention.as<float>();
  const uint32_t stride = plan.layer.head_stride;
  const AttentionState total = state_at(floats);
  const AttentionState more = state_at(floats + state_floats(stride));
  for (uint32_t i = next_unit_.fetch_add(1); i < plan.n_units; i = next_unit_.fetch_add(1)) {
    const AttentionPlan::Unit unit = plan.unit(input_, i);
    const Queries list = plan.queries(unit);
    AttentionArgs args = plan.args(unit, list);
    args.scratch = floats + 2 * state_floats(stride);
    const Slice partitions = AttentionPlan::partitions(list);
    for (uint32_t p = partitions.begin; p < partitions.end; ++p) {
      args.first_key = p * kAttentionPartition;
      args.state = p == partitions.begin ? total : more;
      kernels_.attention(args);
      if (p != partitions.begin) {
        kernels_.attention_merge(total, more, list.n, stride);
      }
    }
    kernels_.attention_finish({.state = total,
                               .n_queries = list.n,
                               .head_dim = plan.layer.head_dim,
                               .head_stride = stride,
                               .out = list.out});
  }
}

// A wave: as many partitions of every unit as the shared buffer has states for.
struct CpuBackend::AttentionWave {
  uint32_t first_partition = 0;
  uint32_t n_partitions = 0;  // of a wave
  uint32_t n_in_all = 0;      // partitions of the longest sequence
};

// State 0 of a unit holds what came before the wave, state 1 + i the wave's partition i.
AttentionState CpuBackend::partial(const AttentionPlan& plan, uint32_t unit, uint32_t slot) {
  const uint64_t per_unit = uint64_t{kPartialsPerThread} * pool_.n_threads() / plan.n_units;
  return state_at(partials_.as<float>() +
                  (unit * per_unit + slot) * state_floats(plan.layer.head_stride));
}

void CpuBackend::attend_wave(const AttentionPlan& plan, const AttentionWave& wave,
                             uint32_t member) {
  for (uint32_t i = member; i < plan.n_units * wave.n_partitions; i += pool_.n_threads()) {
    const uint32_t index = i % plan.n_units;
    const uint32_t slot = i / plan.n_units;
    const AttentionPlan::Unit unit = plan.unit(input_, index);
    const Queries list = plan.queries(unit);
    const Slice partitions = AttentionPlan::partitions(list);
    const uint32_t p = wave.first_partition + slot;
    if (p < partitions.begin || p >= partitions.end) {
      continue;
    }
    AttentionArgs args = plan.args(unit, list);
    args.first_key = p * kAttentionPartition;
    args.scratch = workspaces_[member].attention.as<float>();
    args.state = partial(plan, index, p == partitions.begin ? 0 : 1 + slot);
    kernels_.attention(args);
  }
}

void CpuBackend::merge_wave(const AttentionPlan& plan, const AttentionWave& wave, uint32_t unit) {
  const Queries list = plan.queries(plan.unit(input_, unit));
  const Slice partitions = AttentionPlan::partitions(list);
  const uint32_t stride = plan.layer.head_stride;
  for (uint32_t slot = 0; slot < wave.n_partitions; ++slot) {
    const uint32_t p = wave.first_partition + slot;
    if (p > partitions.begin && p < partitions.end) {
      kernels_.attention_merge(partial(plan, unit, 0), partial(plan, unit, 1 + slot), list.n,
                               stride);
    }
  }
  if (wave.first_partition + wave.n_partitions >= wave.n_in_all) {
    kernels_.attention_finish({.state = partial(plan, unit, 0),
                               .n_queries = list.n,
                               .head_dim = plan.layer.head_dim,
                               .head_stride = stride,
                               .out = list.out});
  }
}

void CpuBackend::attend_split(const AttentionPlan& plan) {
  AttentionWave whole;
  whole.n_partitions = kPartialsPerThread * pool_.n_threads() / plan.n_units - 1;  // at least 7
  for (const StepSequence& sequence : input_.sequences) {
    const uint32_t n_keys = sequence.position + sequence.n_rows;
    whole.n_in_all =
        std::max(whole.n_in_all, (n_keys + kAttentionPartition - 1) / kAttentionPartition);
  }
  AttentionWave wave = whole;
  for (; wave.first_partition < wave.n_in_all; wave.first_partition += wave.n_partitions) {
    pool_.run([&](uint32_t member) { attend_wave(plan, wave, member); });
    pool_.run([&](uint32_t member) {
      for (uint32_t unit = member; unit < plan.n_units; unit += pool_.n_threads()) {
        merge_wave(plan, wave, unit);
      }
    });
  }
}

void CpuBackend::attention(const AttentionOp& op) {
  const OpScope scope(*memory_);
  AttentionPlan plan;
  QUERN_CHECK(op.n_heads % op.kv->spec().n_kv_heads == 0);
  if (plan_attention(op, plan)) {
    attend_split(plan);
    return;
  }
  next_unit_.store(0);
  const auto part = [&](uint32_t member) { attend_whole(plan, member); };
  if (plan.n_units == 1) {
    part(0);
  } else {
    pool_.run(part);
  }
}

}  // namespace quern
