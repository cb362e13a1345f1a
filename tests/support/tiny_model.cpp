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
    auto& data = data_[name];
    data = rows_of(n_rows, n_columns);
    add_tensor({.name = name, .dtype = model_.dtype, .shape = Shape{n_rows, n_columns}}, data);
  }

  // [n_matrices, n_rows, n_columns] of the model's type.
  void stack(const std::string& name, const Shape& shape) {
    std::vector<std::byte>& data = data_[name];
    const auto n_columns = static_cast<uint32_t>(shape[2]);
    const uint64_t n_rows = shape[0] * shape[1];
    data = rows_of(n_rows, n_columns);
    add_tensor({.name = name, .dtype = model_.dtype, .shape = shape}, data);
  }

  // The same numbers as stack() writes, a tensor of each.
  void apart(const std::string& stem, const Shape& shape) {
    const auto all = rows_of(shape[0] * shape[1], static_cast<uint32_t>(shape[2]));
    const size_t n_bytes = all.size() / shape[0];
    for (uint64_t e = 0; e < shape[0]; ++e) {
      const std::string name = fmt::format("{}.{}.weight", stem, e);
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(e * n_bytes);
      auto& data = data_[name];
      data.assign(first, first + static_cast<std::ptrdiff_t>(n_bytes));
      add_tensor({.name = name, .dtype = model_.dtype, .shape = Shape{shape[1], shape[2]}}, data);
    }
  }

  // A router is never quantised.
  void router(const std::string& name, uint32_t n_rows, uint32_t n_columns) {
    const auto values = random_floats(size_t{n_rows} * n_columns, next_seed_++, 0.2F);
    auto& data = data_[name];
    data.resize(values.size() * sizeof(float));
    std::memcpy(data.data(), values.data(), data.size());
    add_tensor({.name = name, .dtype = DType::f32, .shape = Shape{n_rows, n_columns}}, data);
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
  std::vector<std::byte> rows_of(uint64_t n_rows, uint32_t n_columns) {
    // Scaled so that every layer's output stays of the order of its input.
    const float scale = 1.7F / std::sqrt(static_cast<float>(n_columns));
    const auto values = random_floats(n_rows * n_columns, next_seed_++, scale);
    const size_t bytes = *row_bytes(model_.dtype, n_columns);
    std::vector<std::byte> data(bytes * n_rows);
    for (size_t row = 0; row < n_rows; ++row) {
      const Status status =
          quantise_row(model_.dtype, &values[row * n_columns], &data[row * bytes], n_columns);
      EXPECT_TRUE(status.has_value());
    }
    return data;
  }

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
  if (m.n_experts > 0) {
    out.add_arch("expert_count", MetaValue::u32(m.n_experts));
    out.add_arch("expert_used_count", MetaValue::u32(m.n_experts_used));
    out.add_arch("expert_feed_forward_length", MetaValue::u32(m.d_ff));
  }
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
  out.add("tokenizer.ggml.model", MetaValue::string(m.pre_tokenizer == nullptr ? "llama" : "gpt2"));
  if (m.pre_tokenizer != nullptr) {
    out.add("tokenizer.ggml.pre", MetaValue::string(m.pre_tokenizer));
  }
  out.add("tokenizer.ggml.tokens", MetaValue::strings({texts.begin(), texts.end()}));
  out.add("tokenizer.ggml.scores",
          MetaValue::numbers(MetaType::f32, std::as_bytes(std::span(scores))));
  out.add("tokenizer.ggml.token_type",
          MetaValue::numbers(MetaType::i32, std::as_bytes(std::span(types))));
  out.add("tokenizer.ggml.bos_token_id", MetaValue::u32(1));
  out.add("tokenizer.ggml.eos_token_id", MetaValue::u32(2));
  out.add("tokenizer.ggml.unknown_token_id", MetaValue::u32(0));
  if (m.chat_template != nullptr) {
    out.add("tokenizer.chat_template", MetaValue::string(m.chat_template));
  }
}

void add_feed_forward(TinyWriter& out, const TinyModel& m, uint32_t layer) {
  const auto stem = [layer](const char* part) { return fmt::format("blk.{}.{}", layer, part); };
  if (m.n_experts == 0) {
    out.matrix(stem("ffn_gate.weight"), m.d_ff, m.d_model);
    out.matrix(stem("ffn_up.weight"), m.d_ff, m.d_model);
    out.matrix(stem("ffn_down.weight"), m.d_model, m.d_ff);
    return;
  }
  out.router(stem("ffn_gate_inp.weight"), m.n_experts, m.d_model);
  const auto experts = [&](const char* part, const Shape& shape) {
    if (m.experts_apart) {
      out.apart(stem(part), shape);
    } else {
      out.stack(stem(part) + "_exps.weight", shape);
    }
  };
  experts("ffn_gate", {m.n_experts, m.d_ff, m.d_model});
  experts("ffn_up", {m.n_experts, m.d_ff, m.d_model});
  experts("ffn_down", {m.n_experts, m.d_model, m.d_ff});
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
    if (std::string_view(m.architecture).starts_with("qwen3")) {
      out.norm(name("attn_q_norm"), m.d_model / m.n_heads);
      out.norm(name("attn_k_norm"), m.d_model / m.n_heads);
    }
    out.norm(name("ffn_norm"), m.d_model);
    add_feed_forward(out, m, i);
  }
  out.write(path);
}

}  // namespace quern::test
