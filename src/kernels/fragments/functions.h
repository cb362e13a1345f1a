// What every instruction set gives: the functions that its table names. No include guard: each
// folder's tables.h includes this inside its own namespace.

void prepare_codes(const PrepareArgs& args);
void prepare_floats(const PrepareArgs& args);
size_t matmul_scratch_bytes(uint32_t n_columns);

void matmul_f32(const MatmulArgs& args);
void matmul_f16(const MatmulArgs& args);
void matmul_bf16(const MatmulArgs& args);
void matmul_q4_0(const MatmulArgs& args);
void matmul_q4_1(const MatmulArgs& args);
void matmul_q5_0(const MatmulArgs& args);
void matmul_q5_1(const MatmulArgs& args);
void matmul_q8_0(const MatmulArgs& args);
void matmul_q2_k(const MatmulArgs& args);
void matmul_q3_k(const MatmulArgs& args);
void matmul_q4_k(const MatmulArgs& args);
void matmul_q5_k(const MatmulArgs& args);
void matmul_q6_k(const MatmulArgs& args);
void matmul_iq4_nl(const MatmulArgs& args);
void matmul_iq4_xs(const MatmulArgs& args);
void matmul_mxfp4(const MatmulArgs& args);

void rms_norm(const RmsNormArgs& args);
void rope(const RopeArgs& args);
void add(float* x, const float* y, size_t n);
void add_scaled(const AddScaledArgs& args);
void gated(const GatedArgs& args);
void kv_write(const KvWriteArgs& args);
void attention(const AttentionArgs& args);
void attention_merge(const AttentionState& into, const AttentionState& from, uint32_t n_queries,
                     uint32_t head_stride);
void attention_finish(const AttentionFinishArgs& args);

uint64_t peak_int8_ops(uint64_t n_ops);
uint64_t peak_f32_ops(uint64_t n_ops);
uint64_t peak_read_bytes(const std::byte* data, size_t n_bytes);
