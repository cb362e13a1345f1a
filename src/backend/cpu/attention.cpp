// Attention over the paged KV of every sequence in the batch.
//
// A unit is a few query rows (tokens x heads of one KV head) of one sequence. Its keys are walked
// in fixed partitions of absolute positions, and the partitions' states are merged in order. With
// enough units, groups of them that share a KV head are dealt out; with few (long contexts, few
// sequences) the partitions themselves are dealt out and merged afterwards. Both do the same
// arithmetic in the same order.
#include <algorithm>
#include <span>

#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"

namespace quern {
namespace {

constexpr uint32_t kUnitsPerThread = 4;  // fewer than this and partitions are dealt out
// Units that walk a partition in turn, so that its keys and values are read from memory once.
constexpr uint32_t kUnitsPerGroup = 8;
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

// A partition that a group walks.
struct CpuBackend::AttentionStep {
  float* floats = nullptr;  // the thread's states, one a unit and one more, and the scratch
  uint32_t partition = 0;
  bool fetched = false;
  NextKeys next = {};
};

struct CpuBackend::AttentionPlan {
  const AttentionOp* op = nullptr;
  KvLayer layer;
  uint32_t heads_per_unit = 0;  // of one KV head's group
  uint32_t rows_per_unit = 0;
  uint32_t units_per_row_tile = 0;  // over all KV heads
  uint32_t units_per_group = 0;
  uint32_t n_units = 0;
  uint32_t n_groups = 0;
  std::span<const uint32_t> group_ends;  // of each sequence, counted over all before it too

  // A unit's place: which sequence, rows and heads.
  struct Unit {
    const StepSequence* sequence = nullptr;
    uint32_t first_row = 0;  // within the sequence
    uint32_t n_rows = 0;
    uint32_t kv_head = 0;
    uint32_t first_head = 0;
    uint32_t n_heads = 0;
  };

  uint32_t row_tiles(const StepSequence& sequence) const {
    return (sequence.n_rows + rows_per_unit - 1) / rows_per_unit;
  }
  uint32_t row_groups(const StepSequence& sequence) const {
    return (row_tiles(sequence) + units_per_group - 1) / units_per_group;
  }

  Unit unit(const StepInput& input, uint32_t index) const {
    for (const StepSequence& sequence : input.sequences) {
      const uint32_t tiles = row_tiles(sequence);
      const uint32_t n = tiles * units_per_row_tile;
      if (index < n) {
        return unit_of(sequence, index % tiles, index / tiles);
      }
      index -= n;
    }
    check_failed("index < n_units", __FILE__, __LINE__);
  }

  // Fills `group`; false beyond the last.
  bool group(const StepInput& input, uint32_t index, AttentionGroup& group) const;

  // `part`: which of a row tile's units.
  Unit unit_of(const StepSequence& sequence, uint32_t tile, uint32_t part) const {
    const uint32_t n_in_group = op->n_heads / layer.n_kv_heads;
    const uint32_t parts = units_per_row_tile / layer.n_kv_heads;
    Unit u;
    u.sequence = &sequence;
    u.first_row = tile * rows_per_unit;
    u.n_rows = std::min(rows_per_unit, sequence.n_rows - u.first_row);
    u.kv_head = part / parts;
    const uint32_t first = part % parts * heads_per_unit;
    u.first_head = u.kv_head * n_in_group + first;
    u.n_heads = std::min(heads_per_unit, n_in_group - first);
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
            .fetch_ahead = true,
            .fetched = false,
            .next = {}};
  }

  // The blocks of partition `p` for a unit with these queries.
  NextKeys keys_of(const Unit& u, const Queries& list, uint32_t p) const {
    const uint32_t first = p * kAttentionPartition;
    const uint32_t n = std::min(list.last_key() - first, kAttentionPartition);
    return {.blocks = u.sequence->blocks.data() + first / kKvBlockTokens,
            .n_blocks = (n + kKvBlockTokens - 1) / kKvBlockTokens,
            .kv_head = u.kv_head};
  }

  // Partitions that hold keys which some query of the unit sees: [first, last).
  static Slice partitions(const Queries& list) {
    const uint32_t first_key = *std::min_element(list.min_key, list.min_key + list.n);
    return {first_key / kAttentionPartition,
            (list.last_key() + kAttentionPartition - 1) / kAttentionPartition};
  }
};

// Units of one sequence and the same heads, one row tile after the other.
struct CpuBackend::AttentionGroup {
  AttentionPlan::Unit units[kUnitsPerGroup];
  Queries lists[kUnitsPerGroup];
  uint32_t n = 0;
  Slice partitions;  // that some unit sees

  const AttentionPlan::Unit& last_unit() const { return units[n - 1]; }
  const Queries& last_list() const { return lists[n - 1]; }
};

bool CpuBackend::AttentionPlan::group(const StepInput& input, uint32_t index,
                                      AttentionGroup& group) const {
  if (index >= n_groups) {
    return false;
  }
  const auto end = std::upper_bound(group_ends.begin(), group_ends.end(), index);
  const auto at = static_cast<size_t>(end - group_ends.begin());
  const StepSequence& sequence = input.sequences[at];
  index -= at == 0 ? 0 : group_ends[at - 1];
  const uint32_t groups = row_groups(sequence);
  const uint32_t first = index % groups * units_per_group;
  group.n = std::min(units_per_group, row_tiles(sequence) - first);
  for (uint32_t i = 0; i < group.n; ++i) {
    group.units[i] = unit_of(sequence, first + i, index / groups);
    group.lists[i] = queries(group.units[i]);
  }
  group.partitions = {partitions(group.lists[0]).begin, partitions(group.last_list()).end};
  return true;
}

Status CpuBackend::reserve_attention(const KvSpec& spec) {
  head_stride_ = std::max(head_stride_, kv_head_stride(spec.dtype, spec.head_dim));
  const uint64_t state = state_floats(head_stride_) * sizeof(float);
  for (Workspace& w : workspaces_) {
    QUERN_TRY(
        grow(w.attention, (kUnitsPerGroup + 1) * state +
                              uint64_t{kAttentionQueries} * kAttentionPartition * sizeof(float)));
  }
  return grow(partials_, state * kPartialsPerThread * pool_.n_threads());
}

// Fills `plan`; returns true when its partitions should be dealt out.
bool CpuBackend::plan_attention(const AttentionOp& op, AttentionPlan& plan) {
  plan.op = &op;
  plan.layer = cpu(*op.kv).layer(op.layer);
  const uint32_t group = op.n_heads / plan.layer.n_kv_heads;
  plan.heads_per_unit = even_part(group);
  plan.rows_per_unit = std::max(1U, kAttentionQueries / plan.heads_per_unit);
  plan.units_per_row_tile =
      plan.layer.n_kv_heads * ((group + plan.heads_per_unit - 1) / plan.heads_per_unit);
  uint32_t longest = 0;
  for (const StepSequence& sequence : input_.sequences) {
    plan.n_units += plan.row_tiles(sequence) * plan.units_per_row_tile;
    longest = std::max(longest, sequence.position + sequence.n_rows);
  }
  const uint32_t few = kUnitsPerThread * pool_.n_threads();
  plan.units_per_group = std::clamp(plan.n_units / (kUnitsPerGroup / 2 * few), 1U, kUnitsPerGroup);
  group_ends_.clear();
  for (const StepSequence& sequence : input_.sequences) {
    plan.n_groups += plan.row_groups(sequence) * plan.units_per_row_tile;
    group_ends_.push_back(plan.n_groups);
  }
  plan.group_ends = group_ends_;
  return pool_.n_threads() > 1 && plan.n_units < few && longest > kAttentionPartition;
}

// One partition for every unit of a group. The first unit fetches what comes next for all.
void CpuBackend::attend_partition(const AttentionPlan& plan, const AttentionGroup& group,
                                  const AttentionStep& step) {
  const uint64_t state = state_floats(plan.layer.head_stride);
  bool first = true;
  for (uint32_t i = 0; i < group.n; ++i) {
    const Slice partitions = AttentionPlan::partitions(group.lists[i]);
    if (step.partition < partitions.begin || step.partition >= partitions.end) {
      continue;
    }
    const AttentionState total = state_at(step.floats + i * state);
    const AttentionState more = state_at(step.floats + kUnitsPerGroup * state);
    AttentionArgs args = plan.args(group.units[i], group.lists[i]);
    args.scratch = step.floats + (kUnitsPerGroup + 1) * state;
    args.first_key = step.partition * kAttentionPartition;
    args.state = step.partition == partitions.begin ? total : more;
    args.fetch_ahead = first;
    args.fetched = step.fetched;
    args.next = step.next;
    first = false;
    kernels_.attention(args);
    if (step.partition != partitions.begin) {
      kernels_.attention_merge(total, more, group.lists[i].n, plan.layer.head_stride);
    }
  }
}

void CpuBackend::attend_whole(const AttentionPlan& plan, uint32_t member) {
  auto* floats = workspaces_[member].attention.as<float>();
  const uint64_t state = state_floats(plan.layer.head_stride);
  AttentionGroup group;
  AttentionGroup next;
  uint32_t fetched_group = plan.n_groups;
  for (uint32_t index = next_unit_.fetch_add(1); index < plan.n_groups;
       index = next_unit_.fetch_add(1)) {
    plan.group(input_, index, group);
    // Every other thread will have taken one more by then: a guess that costs little when wrong.
    const uint32_t likely = next_unit_.load() + pool_.n_threads() - 1;
    AttentionStep step;
    step.floats = floats;
    step.fetched = index == fetched_group;
    for (uint32_t p = group.partitions.begin; p < group.partitions.end; ++p) {
      step.partition = p;
      if (p + 1 < group.partitions.end) {
        step.next = plan.keys_of(group.last_unit(), group.last_list(), p + 1);
      } else if (plan.group(input_, likely, next)) {
        step.next = plan.keys_of(next.last_unit(), next.last_list(), next.partitions.begin);
        fetched_group = likely;
      } else {
        step.next = {};
      }
      attend_partition(plan, group, step);
      step.fetched = true;
    }
    for (uint32_t i = 0; i < group.n; ++i) {
      kernels_.attention_finish({.state = state_at(floats + i * state),
                                 .n_queries = group.lists[i].n,
                                 .head_dim = plan.layer.head_dim,
                                 .head_stride = plan.layer.head_stride,
                                 .out = group.lists[i].out});
    }
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

// A partition of a wave's: the i-th, units first.
struct CpuBackend::Partition {
  bool exists = false;  // its unit sees keys in it
  AttentionPlan::Unit unit;
  Queries list;
  uint32_t index = 0;
  uint32_t slot = 0;  // of its state
};

CpuBackend::Partition CpuBackend::partition_of(const AttentionPlan& plan, const AttentionWave& wave,
                                               uint32_t i) const {
  Partition at;
  at.unit = plan.unit(input_, i % plan.n_units);
  at.list = plan.queries(at.unit);
  const Slice partitions = AttentionPlan::partitions(at.list);
  at.index = wave.first_partition + i / plan.n_units;
  at.exists = at.index >= partitions.begin && at.index < partitions.end;
  at.slot = at.index == partitions.begin ? 0 : 1 + i / plan.n_units;
  return at;
}

void CpuBackend::attend_wave(const AttentionPlan& plan, const AttentionWave& wave,
                             uint32_t member) {
  const uint32_t step = pool_.n_threads();
  bool fetched = false;
  for (uint32_t i = member; i < plan.n_units * wave.n_partitions; i += step) {
    const Partition at = partition_of(plan, wave, i);
    if (!at.exists) {
      fetched = false;
      continue;
    }
    AttentionArgs args = plan.args(at.unit, at.list);
    args.first_key = at.index * kAttentionPartition;
    args.scratch = workspaces_[member].attention.as<float>();
    args.state = partial(plan, i % plan.n_units, at.slot);
    args.fetched = fetched;
    const Partition next = i + step < plan.n_units * wave.n_partitions
                               ? partition_of(plan, wave, i + step)
                               : Partition{};
    if (next.exists) {
      args.next = plan.keys_of(next.unit, next.list, next.index);
    }
    fetched = next.exists;
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
  if (plan.n_groups == 1) {
    part(0);
  } else {
    pool_.run(part);
  }
}

}  // namespace quern
