// The AVX-512 table. Baseline code: it only takes addresses.
#include "kernels/avx512/tables.h"

namespace quern {
namespace {

KernelTable make_table() {
  KernelTable t;
  t.isa = "avx512";
  t.panel_rows = 16;
  t.tile_rows = 32;
  t.prepare_codes = avx512::prepare_codes;
  t.prepare_floats = avx512::prepare_floats;
  t.matmul_scratch_bytes = avx512::matmul_scratch_bytes;
  const auto matmul = [&t](DType dtype) -> auto& { return t.matmul[static_cast<size_t>(dtype)]; };
  matmul(DType::f32) = avx512::matmul_f32;
  matmul(DType::f16) = avx512::matmul_f16;
  matmul(DType::bf16) = avx512::matmul_bf16;
  matmul(DType::q4_0) = avx512::matmul_q4_0;
  matmul(DType::q4_1) = avx512::matmul_q4_1;
  matmul(DType::q5_0) = avx512::matmul_q5_0;
  matmul(DType::q5_1) = avx512::matmul_q5_1;
  matmul(DType::q8_0) = avx512::matmul_q8_0;
  matmul(DType::q2_k) = avx512::matmul_q2_k;
  matmul(DType::q3_k) = avx512::matmul_q3_k;
  matmul(DType::q4_k) = avx512::matmul_q4_k;
  matmul(DType::q5_k) = avx512::matmul_q5_k;
  matmul(DType::q6_k) = avx512::matmul_q6_k;
  matmul(DType::iq4_nl) = avx512::matmul_iq4_nl;
  matmul(DType::iq4_xs) = avx512::matmul_iq4_xs;
  matmul(DType::mxfp4) = avx512::matmul_mxfp4;
  t.rms_norm = avx512::rms_norm;
  t.rope = avx512::rope;
  t.add = avx512::add;
  t.add_scaled = avx512::add_scaled;
  t.gated = avx512::gated;
  t.kv_write = avx512::kv_write;
  t.attention = avx512::attention;
  t.attention_merge = avx512::attention_merge;
  t.attention_finish = avx512::attention_finish;
  t.peak = {avx512::peak_int8_ops, avx512::peak_f32_ops, avx512::peak_read_bytes};
  return t;
}

}  // namespace

const KernelTable* avx512_kernels() {
  static const KernelTable table = make_table();
  return &table;
}

}  // namespace quern
