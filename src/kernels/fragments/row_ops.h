// The functions over rows, by the width-independent kernels of simd/. No include guard: an
// instruction set's row_ops.cpp includes this inside its own namespace, after its vector type and
// those kernels.

void rms_norm(const RmsNormArgs& args) {
  simd_rms_norm(args);
}
void rope(const RopeArgs& args) {
  simd_rope(args);
}
void add(float* x, const float* y, size_t n) {
  simd_add(x, y, n);
}
void add_scaled(const AddScaledArgs& args) {
  simd_add_scaled(args);
}
void gated(const GatedArgs& args) {
  simd_gated(args);
}
void kv_write(const KvWriteArgs& args) {
  simd_kv_write(args);
}
void attention(const AttentionArgs& args) {
  simd_attention(args);
}
void attention_merge(const AttentionState& into, const AttentionState& from, uint32_t n_queries,
                     uint32_t head_stride) {
  simd_attention_merge(into, from, n_queries, head_stride);
}
void attention_finish(const AttentionFinishArgs& args) {
  simd_attention_finish(args);
}
