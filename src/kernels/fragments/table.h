// Fills an instruction set's table. No include guard: its table_*.cpp includes this inside an
// unnamed namespace in which `isa` names the set's own namespace.

struct Shape {
  std::string_view isa;
  uint32_t panel_rows = 0;
  uint32_t tile_rows = 0;
};

KernelTable make_table(const Shape& shape) {
  KernelTable t;
  t.isa = shape.isa;
  t.panel_rows = shape.panel_rows;
  t.tile_rows = shape.tile_rows;
  t.prepare_codes = isa::prepare_codes;
  t.prepare_floats = isa::prepare_floats;
  t.matmul_scratch_bytes = isa::matmul_scratch_bytes;
  const auto matmul = [&t](DType dtype) -> auto& { return t.matmul[static_cast<size_t>(dtype)]; };
  matmul(DType::f32) = isa::matmul_f32;
  matmul(DType::f16) = isa::matmul_f16;
  matmul(DType::bf16) = isa::matmul_bf16;
  matmul(DType::q4_0) = isa::matmul_q4_0;
  matmul(DType::q4_1) = isa::matmul_q4_1;
  matmul(DType::q5_0) = isa::matmul_q5_0;
  matmul(DType::q5_1) = isa::matmul_q5_1;
  matmul(DType::q8_0) = isa::matmul_q8_0;
  matmul(DType::q2_k) = isa::matmul_q2_k;
  matmul(DType::q3_k) = isa::matmul_q3_k;
  matmul(DType::q4_k) = isa::matmul_q4_k;
  matmul(DType::q5_k) = isa::matmul_q5_k;
  matmul(DType::q6_k) = isa::matmul_q6_k;
  matmul(DType::iq4_nl) = isa::matmul_iq4_nl;
  matmul(DType::iq4_xs) = isa::matmul_iq4_xs;
  matmul(DType::mxfp4) = isa::matmul_mxfp4;
  t.rms_norm = isa::rms_norm;
  t.rope = isa::rope;
  t.add = isa::add;
  t.add_scaled = isa::add_scaled;
  t.gated = isa::gated;
  t.kv_write = isa::kv_write;
  t.attention = isa::attention;
  t.attention_merge = isa::attention_merge;
  t.attention_finish = isa::attention_finish;
  t.peak = {isa::peak_int8_ops, isa::peak_f32_ops, isa::peak_read_bytes};
  return t;
}
