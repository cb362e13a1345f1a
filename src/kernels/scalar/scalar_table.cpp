// The scalar kernels: the specification in its shortest form. Sums are taken in double, so that a
// faster kernel is compared with the true value of the arithmetic.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/pack.h"
#include "kernels/scalar/dequantise.h"
#include "kernels/scalar/peak.h"
#include "tensor/half.h"

namespace quern {
namespace {

constexpr size_t kSlots = 16;

struct Place {
  size_t group;     // the group's first token
  size_t n_tokens;  // tokens in the group
  size_t index;     // within the group
};

Place place_of(size_t token, size_t n_tokens) {
  const size_t group = token / kTileTokens * kTileTokens;
  return {group, std::min<size_t>(kTileTokens, n_tokens - group), token - group};
}

void store_code(const PrepareArgs& args, const Place& at, size_t column, int code) {
  int8_t* codes = args.out.codes + at.group * args.n_columns;
  codes[(column / 4 * at.n_tokens + at.index) * 4 + column % 4] = static_cast<int8_t>(code);
  args.out.sums[at.group * args.n_columns / 16 + column / 16 * at.n_tokens + at.index] += code;
}

void start_block(const PrepareArgs& args, const Place& at, size_t block, float scale) {
  args.out.scales[at.group * args.n_columns / 32 + block * at.n_tokens + at.index] = scale;
  for (size_t h = 0; h < 2; ++h) {
    args.out.sums[at.group * args.n_columns / 16 + (2 * block + h) * at.n_tokens + at.index] = 0;
  }
}

void quantise_block(const float* x, const PrepareArgs& args, const Place& at, size_t block) {
  constexpr float kFiner =
      254.0F;  // what rounding leaves over is at most half a step: 127 of these
  float max = 0;
  bool has_nan = false;
  for (size_t i = 0; i < kActivationBlock; ++i) {
    max = std::max(max, std::fabs(x[i]));
    has_nan = has_nan || std::isnan(x[i]);
  }
  const float inverse = max >= 1e-30F && max <= 3e38F ? 127.0F / max : 0.0F;
  const float scale = has_nan ? std::numeric_limits<float>::quiet_NaN() : max / 127.0F;
  const Place rest_at{at.group, at.n_tokens, at.index + 1};
  start_block(args, at, block, scale);
  if (args.paired) {
    start_block(args, rest_at, block, scale / kFiner);
  }
  for (size_t i = 0; i < kActivationBlock; ++i) {
    const size_t column = block * kActivationBlock + i;
    const int code = has_nan ? 0 : static_cast<int>(std::nearbyint(x[i] * inverse));
    store_code(args, at, column, code);
    if (args.paired) {
      const float rest = std::fma(-static_cast<float>(code), scale, x[i]);
      const float fine = has_nan ? 0.0F : std::nearbyint(rest * (inverse * kFiner));
      store_code(args, rest_at, column,
                 static_cast<int>(std::min(127.0F, std::max(-127.0F, fine))));
    }
  }
}

void prepare_codes(const PrepareArgs& args) {
  const size_t rows_per_token = args.paired ? 2 : 1;
  for (size_t token = args.first_token; token < args.last_token; token += rows_per_token) {
    for (size_t block = 0; block < args.n_columns / kActivationBlock; ++block) {
      quantise_block(args.x + token / rows_per_token * args.x_stride + block * kActivationBlock,
                     args, place_of(token, args.n_tokens), block);
    }
  }
}

void prepare_floats(const PrepareArgs& args) {
  for (size_t token = args.first_token; token < args.last_token; ++token) {
    const Place at = place_of(token, args.n_tokens);
    for (size_t k = 0; k < args.n_columns; ++k) {
      args.out.floats[at.group * args.n_columns + k * at.n_tokens + at.index] =
          args.x[token * args.x_stride + k];
    }
  }
}

// Column k of a token as matmul sees it.
template <bool kCodes>
double activation(const MatmulArgs& args, const Place& at, size_t k) {
  if constexpr (kCodes) {
    const int8_t* codes = args.x.codes + at.group * args.n_columns;
    const float scale =
        args.x.scales[at.group * args.n_columns / 32 + k / 32 * at.n_tokens + at.index];
    const size_t code_at = (k / 4 * at.n_tokens + at.index) * 4 + k % 4;
    return static_cast<double>(scale) * static_cast<double>(codes[code_at]);
  } else {
    return static_cast<double>(
        args.x.floats[at.group * args.n_columns + k * at.n_tokens + at.index]);
  }
}

template <DType kDType, bool kCodes>
void matmul(const MatmulArgs& args) {
  const size_t row_size = row_bytes(kDType, args.n_columns).value_or(0);
  auto* row_floats = reinterpret_cast<float*>(args.scratch);
  std::byte* row_data = args.scratch + size_t{args.n_columns} * sizeof(float);
  for (size_t row = args.first_tile; row < args.last_tile; ++row) {
    extract_row({.dtype = kDType,
                 .panel_rows = 1,
                 .n_columns = args.n_columns,
                 .row = 0,
                 .panel = args.weights + row * row_size,
                 .out = row_data});
    dequantise_row(kDType, row_data, row_floats, args.n_columns);
    const size_t rows_per_token = args.paired ? 2 : 1;
    for (size_t token = 0; token < args.n_tokens; token += rows_per_token) {
      double sum = 0;
      for (size_t part = 0; part < rows_per_token; ++part) {
        const Place at = place_of(token + part, args.n_tokens);
        for (size_t k = 0; k < args.n_columns; ++k) {
          sum += static_cast<double>(row_floats[k]) * activation<kCodes>(args, at, k);
        }
      }
      const float bias = args.bias == nullptr ? 0.0F : args.bias[row];
      args.out[token / rows_per_token * args.out_stride + row] = static_cast<float>(sum) + bias;
    }
  }
}

size_t matmul_scratch_bytes(uint32_t n_columns) {
  return size_t{n_columns} * 2 * sizeof(float);
}

void rms_norm(const RmsNormArgs& args) {
  for (size_t row = 0; row < args.n_rows; ++row) {
    const float* x = args.x + row * args.x_stride;
    double squares = 0;
    for (size_t i = 0; i < args.n_columns; ++i) {
      squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    const double inverse =
        1.0 / std::sqrt(squares / args.n_columns + static_cast<double>(args.eps));
    for (size_t i = 0; i < args.n_columns; ++i) {
      args.out[row * args.out_stride + i] = static_cast<float>(static_cast<double>(x[i]) * inverse *
                                                               static_cast<double>(args.weight[i]));
    }
  }
}

void rope(const RopeArgs& args) {
  const size_t half = args.n_rotated / 2;
  for (size_t row = 0; row < args.n_rows; ++row) {
    const float* cos = args.cos_sin + row * 2 * half;
    const float* sin = cos + half;
    for (size_t head = 0; head < args.n_heads; ++head) {
      float* x = args.x + row * args.x_stride + head * args.head_dim;
      for (size_t i = 0; i < half; ++i) {
        float& first = args.interleaved ? x[2 * i] : x[i];
        float& second = args.interleaved ? x[2 * i + 1] : x[i + half];
        const float a = first;
        const float b = second;
        first = a * cos[i] - b * sin[i];
        second = a * sin[i] + b * cos[i];
      }
    }
  }
}

void add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    x[i] += y[i];
  }
}

void add_scaled(const AddScaledArgs& args) {
  for (size_t i = 0; i < args.n; ++i) {
    args.x[i] = std::fma(args.scale, args.y[i], args.x[i]);
  }
}

void gated(const GatedArgs& args) {
  for (size_t i = 0; i < args.n; ++i) {
    const auto x = static_cast<double>(args.gate[i]);
    const double activated =
        args.activation == Activation::silu
            ? x / (1.0 + std::exp(-x))
            : 0.5 * x * (1.0 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    args.out[i] = static_cast<float>(activated * static_cast<double>(args.up[i]));
  }
}

// One number of a KV head: K is stored dimension by dimension, V token by token.
struct KvElement {
  size_t index;        // of the element
  size_t scale_index;  // q8_0: of its scale
};
KvElement key_element(const KvLayer& /*layer*/, size_t slot, size_t d) {
  return {d * kSlots + slot, d / 32 * kSlots + slot};
}
KvElement value_element(const KvLayer& layer, size_t slot, size_t d) {
  return {slot * layer.head_stride + d, slot * (layer.head_stride / 32) + d / 32};
}

const int8_t* q8_codes(const KvLayer& layer, const std::byte* head) {
  return reinterpret_cast<const int8_t*>(head) + layer.head_stride / 32 * kSlots * sizeof(float);
}

float kv_read(const KvLayer& layer, const std::byte* head, KvElement at) {
  switch (layer.type) {
    case KvDType::f16:
      return f16_to_f32(reinterpret_cast<const uint16_t*>(head)[at.index]);
    case KvDType::f32:
      return reinterpret_cast<const float*>(head)[at.index];
    case KvDType::q8_0:
      return reinterpret_cast<const float*>(head)[at.scale_index] *
             static_cast<float>(q8_codes(layer, head)[at.index]);
  }
  return 0;
}

// Writes 32 dimensions from d on of one token; x holds n of them, the rest is zero.
template <typename Element>
void kv_write_span(const KvLayer& layer, std::byte* head, const Element& element, const float* x,
                   size_t n, size_t d) {
  float max = 0;
  for (size_t i = 0; i < n; ++i) {
    max = std::max(max, std::fabs(x[i]));
  }
  const float scale = max / 127.0F;
  const float inverse = scale >= 1e-32F ? 1.0F / scale : 0.0F;
  for (size_t i = 0; i < 32 && d + i < layer.head_stride; ++i) {
    const KvElement at = element(d + i);
    const float value = i < n ? x[i] : 0.0F;
    switch (layer.type) {
      case KvDType::f16:
        reinterpret_cast<uint16_t*>(head)[at.index] =
            f32_to_f16(std::min(std::max(value, -kF16Max), kF16Max));
        break;
      case KvDType::f32:
        reinterpret_cast<float*>(head)[at.index] = value;
        break;
      case KvDType::q8_0:
        reinterpret_cast<float*>(head)[at.scale_index] = scale;
        const_cast<int8_t*>(q8_codes(layer, head))[at.index] =
            static_cast<int8_t>(std::nearbyint(value * inverse));
        break;
    }
  }
}

void kv_write(const KvWriteArgs& args) {
  const KvLayer& layer = args.layer;
  for (size_t head = 0; head < layer.n_kv_heads; ++head) {
    const size_t offset = layer.offset(args.block, head);
    for (size_t d = 0; d < layer.head_stride; d += 32) {
      const size_t n = layer.head_dim > d ? std::min<size_t>(32, layer.head_dim - d) : 0;
      const size_t from = head * layer.head_dim + d;
      const auto key = [&](size_t dim) { return key_element(layer, args.slot, dim); };
      const auto value = [&](size_t dim) { return value_element(layer, args.slot, dim); };
      kv_write_span(layer, layer.k + offset, key, args.k + from, n, d);
      kv_write_span(layer, layer.v + offset, value, args.v + from, n, d);
    }
  }
}

double score(const AttentionArgs& args, size_t q, size_t key) {
  const KvLayer& layer = args.layer;
  const std::byte* head = layer.k + layer.offset(args.blocks[key / kSlots], args.kv_head);
  double dot = 0;
  for (size_t d = 0; d < layer.head_dim; ++d) {
    dot += static_cast<double>(args.q[q][d]) *
           static_cast<double>(kv_read(layer, head, key_element(layer, key % kSlots, d)));
  }
  const double scaled = dot * static_cast<double>(args.scale);
  const auto cap = static_cast<double>(args.softcap);
  return cap > 0 ? cap * std::tanh(scaled / cap) : scaled;
}

void attend_one(const AttentionArgs& args, size_t q) {
  const KvLayer& layer = args.layer;
  const size_t first =
      std::max<size_t>(args.first_key, args.min_key == nullptr ? 0 : args.min_key[q]);
  const size_t last =
      std::min<size_t>(args.n_keys[q], size_t{args.first_key} + kAttentionPartition);
  double max = -std::numeric_limits<double>::infinity();
  for (size_t key = first; key < last; ++key) {
    const double s = score(args, q, key);
    args.scratch[key - args.first_key] = static_cast<float>(s);
    max = std::max(max, static_cast<double>(static_cast<float>(s)));
  }
  double sum = 0;
  std::vector<double> out(layer.head_stride, 0.0);
  for (size_t key = first; key < last; ++key) {
    const double weight = std::exp(static_cast<double>(args.scratch[key - args.first_key]) - max);
    sum += weight;
    const std::byte* head = layer.v + layer.offset(args.blocks[key / kSlots], args.kv_head);
    for (size_t d = 0; d < layer.head_dim; ++d) {
      out[d] +=
          weight * static_cast<double>(kv_read(layer, head, value_element(layer, key % kSlots, d)));
    }
  }
  args.state.max[q] = static_cast<float>(max);
  args.state.sum[q] = static_cast<float>(sum);
  for (size_t d = 0; d < layer.head_stride; ++d) {
    args.state.out[q * layer.head_stride + d] = static_cast<float>(out[d]);
  }
}

void attention(const AttentionArgs& args) {
  for (size_t q = 0; q < args.n_queries; ++q) {
    attend_one(args, q);
  }
}

void attention_merge(const AttentionState& into, const AttentionState& from, uint32_t n_queries,
                     uint32_t head_stride) {
  for (size_t q = 0; q < n_queries; ++q) {
    if (from.sum[q] == 0) {
      continue;
    }
    const float top = std::max(into.max[q], from.max[q]);
    const float kept = std::exp(into.max[q] - top);
    const float added = std::exp(from.max[q] - top);
    for (size_t d = 0; d < head_stride; ++d) {
      float& out = into.out[q * head_stride + d];
      out = out * kept + from.out[q * head_stride + d] * added;
    }
    into.sum[q] = into.sum[q] * kept + from.sum[q] * added;
    into.max[q] = top;
  }
}

void attention_finish(const AttentionFinishArgs& args) {
  for (size_t q = 0; q < args.n_queries; ++q) {
    for (size_t d = 0; d < args.head_dim; ++d) {
      args.out[q][d] = args.state.out[q * args.head_stride + d] / args.state.sum[q];
    }
  }
}

template <DType kDType>
void set_matmul(KernelTable& table) {
  constexpr bool kPlain = kDType == DType::f32 || kDType == DType::f16 || kDType == DType::bf16;
  table.matmul[static_cast<size_t>(kDType)] = matmul<kDType, !kPlain>;
}

template <DType... kDTypes>
void set_matmuls(KernelTable& table) {
  (set_matmul<kDTypes>(table), ...);
}

KernelTable make_table() {
  KernelTable t;
  t.isa = "scalar";
  t.panel_rows = 1;
  t.tile_rows = 1;
  t.prepare_codes = prepare_codes;
  t.prepare_floats = prepare_floats;
  t.matmul_scratch_bytes = matmul_scratch_bytes;
  set_matmuls<DType::f32, DType::f16, DType::bf16, DType::q4_0, DType::q4_1, DType::q5_0,
              DType::q5_1, DType::q8_0, DType::q2_k, DType::q3_k, DType::q4_k, DType::q5_k,
              DType::q6_k, DType::iq4_nl, DType::iq4_xs, DType::mxfp4>(t);
  t.rms_norm = rms_norm;
  t.rope = rope;
  t.add = add;
  t.add_scaled = add_scaled;
  t.gated = gated;
  t.kv_write = kv_write;
  t.attention = attention;
  t.attention_merge = attention_merge;
  t.attention_finish = attention_finish;
  t.peak = scalar_peak_loops();
  return t;
}

}  // namespace

const KernelTable& scalar_kernels() {
  static const KernelTable table = make_table();
  return table;
}

}  // namespace quern
