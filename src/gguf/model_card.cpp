#include "gguf/model_card.h"

#include "gguf/name_index.h"

namespace quern {
namespace {

// What `accessor` makes of the value of a key; nullopt when there is no such key.
template <typename T>
std::optional<T> value_of(const MetaValue* value, std::optional<T> (MetaValue::*accessor)() const) {
  return value == nullptr ? std::nullopt : (value->*accessor)();
}

}  // namespace

const std::vector<std::filesystem::path>& ModelCard::files() const {
  return files_;
}
uint32_t ModelCard::version() const {
  return version_;
}
uint64_t ModelCard::alignment() const {
  return alignment_;
}
std::string_view ModelCard::architecture() const {
  return string("general.architecture").value_or(std::string_view());
}

std::span<const MetaPair> ModelCard::metadata() const {
  return metadata_;
}

const MetaValue* ModelCard::find(std::string_view key) const {
  const MetaPair* pair = find_by_name(metadata_, metadata_by_key_, {key, &MetaPair::key});
  return pair == nullptr ? nullptr : &pair->value;
}

const MetaValue* ModelCard::find_arch(std::string_view suffix) const {
  std::string key(architecture());
  key += '.';
  key += suffix;
  return find(key);
}

std::optional<uint64_t> ModelCard::u64(std::string_view key) const {
  return value_of(find(key), &MetaValue::as_u64);
}
std::optional<int64_t> ModelCard::i64(std::string_view key) const {
  return value_of(find(key), &MetaValue::as_i64);
}
std::optional<double> ModelCard::f64(std::string_view key) const {
  return value_of(find(key), &MetaValue::as_f64);
}
std::optional<bool> ModelCard::boolean(std::string_view key) const {
  return value_of(find(key), &MetaValue::as_bool);
}
std::optional<std::string_view> ModelCard::string(std::string_view key) const {
  return value_of(find(key), &MetaValue::as_string);
}
std::optional<std::span<const std::string_view>> ModelCard::strings(std::string_view key) const {
  return value_of(find(key), &MetaValue::as_strings);
}
std::optional<std::vector<float>> ModelCard::f32s(std::string_view key) const {
  return value_of(find(key), &MetaValue::as_f32s);
}
std::optional<std::vector<int64_t>> ModelCard::i64s(std::string_view key) const {
  return value_of(find(key), &MetaValue::as_i64s);
}

std::optional<std::span<const std::byte>> ModelCard::bytes(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr || !value->is_array() ||
      (value->element_type() != MetaType::u8 && value->element_type() != MetaType::i8)) {
    return std::nullopt;
  }
  return value->as_number_bytes();
}

std::span<const TensorInfo> ModelCard::tensors() const {
  return tensors_;
}

const TensorInfo* ModelCard::find_tensor(std::string_view name) const {
  return find_by_name(tensors_, tensors_by_name_, {name, &TensorInfo::name});
}

// Neither sum can overflow: the reader checked every tensor against the size of its file, and the
// elements of all of them together.
uint64_t ModelCard::n_parameters() const {
  uint64_t sum = 0;
  for (const TensorInfo& tensor : tensors_) {
    sum += tensor.shape.n_elements().value_or(0);
  }
  return sum;
}

uint64_t ModelCard::tensor_bytes() const {
  uint64_t sum = 0;
  for (const TensorInfo& tensor : tensors_) {
    sum += tensor.n_bytes;
  }
  return sum;
}

}  // namespace quern
