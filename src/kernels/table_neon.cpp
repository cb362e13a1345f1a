// The NEON table. Baseline code: it only takes addresses.
#include "kernels/neon/tables.h"

namespace quern {
namespace {

KernelTable make_table() {
  KernelTable t;
  t.isa = "neon";
  t.panel_rows = 8;
  t.tile_rows = 8;
  t.prepare_codes = neon::prepare_codes;
  t.prepare_floats = neon::prepare_floats;
  t.matmul_scratch_bytes = neon::matmul_scratch_bytes;
  const auto matmul = [&t](DType dtype) -> auto& { return t.matmul[static_cast<size_t>(dtype)]; };
  matmul(DType::f32) = neon::matmul_f32;
  matmul(DType::f16) = neon::matmul_f16;
  matmul(DType::bf16) = neon::matmul_bf16;
  matmul(DType::q4_0) = neon::matmul_q4_0;
  matmul(DType::q4_1) = neon::matmul_q4_1;
  matmul(DType::q5_0) = neon::matmul_q5_0;
  matmul(DType::q5_1) = neon::matmul_q5_1;
  matmul(DType::q8_0) = neon::matmul_q8_0;
  matmul(DType::q2_k) = neon::matmul_q2_k;
  matmul(DType::q3_k) = neon::matmul_q3_k;
  matmul(DType::q4_k) = neon::matmul_q4_k;
  matmul(DType::q5_k) = neon::matmul_q5_k;
  matmul(DType::q6_k) = neon::matmul_q6_k;
  matmul(DType::iq4_nl) = neon::matmul_iq4_nl;
  matmul(DType::iq4_xs) = neon::matmul_iq4_xs;
  matmul(DType::mxfp4) = neon::matmul_mxfp4;
  t.rms_norm = neon::rms_norm;
  t.rope = neon::rope;
  t.add = neon::add;
  t.add_scaled = neon::add_scaled;
  t.gated = neon::gated;
  t.kv_write = neon::kv_write;
  t.attention = neon::attention;
  t.attention_merge = neon::attention_merge;
  t.attention_finish = neon::attention_finish;
  t.peak = {neon::peak_int8_ops, neon::peak_f32_ops, neon::peak_read_bytes};
  return t;
}

}  // namespace

const KernelTable* neon_kernels() {
  static const KernelTable table = make_table();
  return &table;
}

}  // namespace quern
