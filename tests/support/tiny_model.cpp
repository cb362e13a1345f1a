#include "support/tiny_model.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "gguf/writer.h"
#include "kernels/quantise.h"
#include "support/matrix.h"

namespace quern::test {
namespace {

class TinyWriter {
 public:
  explicit TinyWriter(const TinyModel& model) : model_(model) {}

  void add(const std::string& key, const MetaValue& value) {
    const Status status = writer_.add(key, value);
    EXPECT_TRUE(status.has_value()) << status.error().to_string();
  }
  void add_arch(const std::string& key, const MetaValue& value) {
    add(fmt::format("{}.{}", model_.architecture, key), value);
  }

  void matrix(const std::string& name, uint32_t n_rows, uint32_t n_columns) {
    // Scaled so that every layer's output stays of the order of its input.
    const float scale = 1.7F / std::sqrt(static_cast<float>(n_columns));
    const auto values = random_floats(size_t{n_rows} * n_columns, next_seed_++, scale);
    const size_t bytes = *row_bytes(model_.dtype, n_columns);
    auto& data = data_[name];
    data.resize(bytes * n_rows);
    for (size_t row = 0; row < n_rows; ++row) {
      const Status status =
          quantise_row(model_.dtype, &values[row * n_columns], &data[row * bytes], n_columns);
      EXPECT_TRUE(status.has_value());
    }
    add_tensor({.name = name, .dtype = model_.dtype, .shape = Shape{n_rows, n_columns}}, data);
  }

  void norm(const std::string& name, uint32_t n) {
    auto values = random_floats(n, next_seed_++, 0.1F);
    auto& data = data_[name];
    data.resize(n * sizeof(float));
    for (float& value : values) {
      value += 1.0F;
    }
    std::memcpy(data.data(), values.data(), data.size());
    add_tensor({.name = name, .dtype = DType::f32, .shape = Shape{n}}, data);
  }

  void write(const std::filesystem::path& path) {
    const Status status = writer_.write_file(path);
    EXPECT_TRUE(status.has_value()) << status.error().to_string();
  }

 private:
  void add_tensor(const TensorSpec& spec, const std::vector<std::byte>& data) {
    EXPECT_TRUE(writer_.add_tensor(spec, ByteSpan(data)).has_value());
  }

  const TinyModel& model_;
  GgufWriter writer_;
  std::map<std::string, std::vector<std::byte>> data_;
  uint64_t next_seed_ = 1000;
};

void add_hyper_parameters(TinyWriter& out, const TinyModel& m) {
  out.add("general.architecture", MetaValue::string(m.architecture));
  out.add_arch("block_count", MetaValue::u32(m.n_layers));
  out.add_arch("context_length", MetaValue::u32(m.max_context));
  out.add_arch("embedding_length", MetaValue::u32(m.d_model));
  out.add_arch("feed_forward_length", MetaValue::u32(m.d_ff));
  out.add_arch("attention.head_count", MetaValue::u32(m.n_heads));
  out.add_arch("attention.head_count_kv", MetaValue::u32(m.n_kv_heads));
  out.add_arch("attention.layer_norm_rms_epsilon", MetaValue::f32(1e-5F));
  out.add_arch("rope.freq_base", MetaValue::f32(10000.0F));
}

// 256 byte tokens, then fillers; the last one ends an answer. SentencePiece's form needs no merges.
void add_vocabulary(TinyWriter& out, const TinyModel& m) {
  static std::vector<std::string> texts;
  texts.clear();
  std::vector<float> scores(m.vocab_size, 0.0F);
  std::vector<int32_t> types(m.vocab_size, 1);
  for (uint32_t i = 0; i < m.vocab_size; ++i) {
    const bool is_byte = i >= 3 && i < 259;
    texts.push_back(is_byte ? fmt::format("<0x{:02X}>", i - 3) : fmt::format("<filler{}>", i));
    types[i] = is_byte ? 6 : 1;
  }
  texts[0] = "<unk>";
  texts[1] = "<s>";
  texts[2] = "</s>";
  types[0] = 2;
  types[1] = types[2] = 3;
  out.add("tokenizer.ggml.model", MetaValue::string("llama"));
  out.add("tokenizer.ggml.tokens", MetaValue::strings({texts.begin(), texts.end()}));
  out.add("tokenizer.ggml.scores",
          MetaValue::numbers(MetaType::f32, std::as_bytes(std::span(scores))));
  out.add("tokenizer.ggml.token_type",
          MetaValue::numbers(MetaType::i32, std::as_bytes(std::span(types))));
  out.add("tokenizer.ggml.bos_token_id", MetaValue::u32(1));
  out.add("tokenizer.ggml.eos_token_id", MetaValue::u32(2));
  out.add("tokenizer.ggml.unknown_token_id", MetaValue::u32(0));
}

}  // namespace

void write_tiny_model(const std::filesystem::path& path, const TinyModel& m) {
  TinyWriter out(m);
  add_hyper_parameters(out, m);
  add_vocabulary(out, m);
  const uint32_t kv_width = m.d_model / m.n_heads * m.n_kv_heads;
  out.matrix("token_embd.weight", m.vocab_size + m.n_padding_rows, m.d_model);
  out.matrix("output.weight", m.vocab_size + m.n_padding_rows, m.d_model);
  out.norm("output_norm.weight", m.d_model);
  for (uint32_t i = 0; i < m.n_layers; ++i) {
    const auto name = [i](const char* suffix) {
      return fmt::format("blk.{}.{}.weight", i, suffix);
    };
    out.norm(name("attn_norm"), m.d_model);
    out.matrix(name("attn_q"), m.d_model, m.d_model);
    out.matrix(name("attn_k"), kv_width, m.d_model);
    out.matrix(name("attn_v"), kv_width, m.d_model);
    out.matrix(name("attn_output"), m.d_model, m.d_model);
    out.norm(name("ffn_norm"), m.d_model);
    out.matrix(name("ffn_gate"), m.d_ff, m.d_model);
    out.matrix(name("ffn_up"), m.d_ff, m.d_model);
    out.matrix(name("ffn_down"), m.d_model, m.d_ff);
  }
  out.write(path);
}

}  // namespace quern::test
