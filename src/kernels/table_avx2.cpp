// The AVX2 table. Baseline code: it only takes addresses.
#include "kernels/avx2/tables.h"

namespace quern {
namespace {

KernelTable make_table() {
  KernelTable t;
  t.isa = "avx2";
  t.panel_rows = 8;
  t.tile_rows = 16;
  t.prepare_codes = avx2::prepare_codes;
  t.prepare_floats = avx2::prepare_floats;
  t.matmul_scratch_bytes = avx2::matmul_scratch_bytes;
  const auto matmul = [&t](DType dtype) -> auto& { return t.matmul[static_cast<size_t>(dtype)]; };
  matmul(DType::f32) = avx2::matmul_f32;
  matmul(DType::f16) = avx2::matmul_f16;
  matmul(DType::bf16) = avx2::matmul_bf16;
  matmul(DType::q4_0) = avx2::matmul_q4_0;
  matmul(DType::q4_1) = avx2::matmul_q4_1;
  matmul(DType::q5_0) = avx2::matmul_q5_0;
  matmul(DType::q5_1) = avx2::matmul_q5_1;
  matmul(DType::q8_0) = avx2::matmul_q8_0;
  matmul(DType::q2_k) = avx2::matmul_q2_k;
  matmul(DType::q3_k) = avx2::matmul_q3_k;
  matmul(DType::q4_k) = avx2::matmul_q4_k;
  matmul(DType::q5_k) = avx2::matmul_q5_k;
  matmul(DType::q6_k) = avx2::matmul_q6_k;
  matmul(DType::iq4_nl) = avx2::matmul_iq4_nl;
  matmul(DType::iq4_xs) = avx2::matmul_iq4_xs;
  matmul(DType::mxfp4) = avx2::matmul_mxfp4;
  t.rms_norm = avx2::rms_norm;
  t.rope = avx2::rope;
  t.add = avx2::add;
  t.add_scaled = avx2::add_scaled;
  t.gated = avx2::gated;
  t.kv_write = avx2::kv_write;
  t.attention = avx2::attention;
  t.attention_merge = avx2::attention_merge;
  t.attention_finish = avx2::attention_finish;
  t.peak = {avx2::peak_int8_ops, avx2::peak_f32_ops, avx2::peak_read_bytes};
  return t;
}

}  // namespace

const KernelTable* avx2_kernels() {
  static const KernelTable table = make_table();
  return &table;
}

}  // namespace quern
