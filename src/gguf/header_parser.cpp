#include "gguf/header_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "base/checked.h"
#include "gguf/cursor.h"
#include "gguf/ggml_type.h"
#include "gguf/name_index.h"
#include "text/printable.h"

namespace quern {
namespace {

namespace limits = gguf_limits;

std::unexpected<Error> malformed(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "gguf",
               .what = std::move(what),
               .expected = std::move(expected)});
}

std::unexpected<Error> unsupported(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::unsupported,
               .where = "gguf",
               .what = std::move(what),
               .expected = std::move(expected)});
}

std::unexpected<Error> truncated(const Cursor& cursor, std::string_view inside) {
  return malformed(fmt::format("the file ends in {}, at byte {}", inside,
                               cursor.position() + cursor.n_remaining()),
                   "a complete file");
}

class HeaderParser {
 public:
  HeaderParser(ByteSpan bytes, uint64_t n_file_bytes)
      : cursor_(bytes.first(std::min<uint64_t>(bytes.size(), limits::kHeaderBytes))),
        n_file_bytes_(n_file_bytes) {}

  Result<FileHeader> parse() {
    QUERN_TRY(magic_and_version());
    QUERN_TRY(counts());
    for (uint64_t i = 0; i < n_pairs_; ++i) {
      QUERN_TRY(pair());
    }
    QUERN_TRY(check_keys());
    for (uint64_t i = 0; i < n_tensors_; ++i) {
      QUERN_TRY(tensor());
    }
    header_.n_header_bytes = cursor_.position();
    // The header is at most 128 MiB and the alignment at most 1 MiB: no overflow.
    header_.data_offset =
        checked_align(header_.n_header_bytes, header_.alignment).value_or(UINT64_MAX);
    QUERN_TRY(place_tensors());
    return std::move(header_);
  }

 private:
  Status magic_and_version() {
    const auto magic = cursor_.take(4);
    if (!magic) {
      return truncated(cursor_, "its magic");
    }
    const std::string_view text(reinterpret_cast<const char*>(magic->data()), 4);
    if (text != "GGUF") {
      return malformed(fmt::format("not a GGUF file: it begins with '{}'", printable(text)),
                       "the magic 'GGUF'");
    }
    const auto version = cursor_.number<uint32_t>();
    if (!version) {
      return truncated(cursor_, "its version");
    }
    if (*version != 0 && (*version & 0xffffU) == 0) {
      return unsupported(fmt::format("a big-endian file (version {})", __builtin_bswap32(*version)),
                         "a little-endian one");
    }
    if (*version != 2 && *version != 3) {
      return unsupported(fmt::format("GGUF version {}", *version), "version 2 or 3");
    }
    header_.version = *version;
    return {};
  }

  Status counts() {
    const auto n_tensors = cursor_.number<uint64_t>();
    const auto n_pairs = cursor_.number<uint64_t>();
    if (!n_tensors || !n_pairs) {
      return truncated(cursor_, "its counts");
    }
    // A pair takes at least 8 (length) + 1 (key) + 4 (type) + 1 (value) bytes, a tensor
    // 8 (length) + 1 (name) + 4 (n_dims) + 4 (type) + 8 (offset).
    constexpr uint64_t min_pair_bytes = 14;
    constexpr uint64_t min_tensor_bytes = 25;
    const uint64_t n_bytes = cursor_.n_remaining();
    if (*n_pairs > std::min(limits::kPairs, n_bytes / min_pair_bytes)) {
      return malformed(
          fmt::format("{} metadata pairs in {} bytes", *n_pairs, n_bytes),
          fmt::format("at most {}", std::min(limits::kPairs, n_bytes / min_pair_bytes)));
    }
    if (*n_tensors > std::min(limits::kTensors, n_bytes / min_tensor_bytes)) {
      return malformed(
          fmt::format("{} tensors in {} bytes", *n_tensors, n_bytes),
          fmt::format("at most {}", std::min(limits::kTensors, n_bytes / min_tensor_bytes)));
    }
    n_pairs_ = *n_pairs;
    n_tensors_ = *n_tensors;
    return {};
  }

  Status pair() {
    const auto key = cursor_.string();
    if (!key) {
      return truncated(cursor_, fmt::format("metadata key {}", header_.metadata.size()));
    }
    if (key->empty() || key->size() > limits::kKeyBytes) {
      return malformed(
          fmt::format("metadata key {} of {} bytes", header_.metadata.size(), key->size()),
          fmt::format("1 to {}", limits::kKeyBytes));
    }
    key_ = *key;
    QUERN_ASSIGN(const MetaType type, value_type());
    QUERN_ASSIGN(MetaValue value, this->value(type));
    header_.metadata.push_back({.key = *key, .value = std::move(value)});
    return {};
  }

  Result<MetaType> value_type() {
    const auto type = cursor_.number<uint32_t>();
    if (!type) {
      return truncated_value();
    }
    if (*type >= kMetaTypeCount) {
      return malformed(fmt::format("key '{}': unknown value type {}", printable(key_), *type),
                       fmt::format("0 to {}", kMetaTypeCount - 1));
    }
    return static_cast<MetaType>(*type);
  }

  Result<MetaValue> value(MetaType type) {
    if (type == MetaType::array) {
      return array(1);
    }
    if (type == MetaType::string) {
      const auto text = cursor_.string();
      if (!text) {
        return truncated_value();
      }
      return MetaValue::string(*text);
    }
    const auto bytes = cursor_.take(meta_type_bytes(type));
    if (!bytes) {
      return truncated_value();
    }
    if (type == MetaType::boolean) {
      QUERN_TRY(check_bools(*bytes));
    }
    return MetaValue::scalar(type, bytes->data());
  }

  // NOLINTNEXTLINE(misc-no-recursion): bounded by kArrayDepth.
  Result<MetaValue> array(uint64_t depth) {
    QUERN_ASSIGN(const MetaType type, value_type());
    const auto n = cursor_.number<uint64_t>();
    if (!n) {
      return truncated_value();
    }
    if (type == MetaType::string) {
      return strings(*n);
    }
    if (type == MetaType::array) {
      return arrays(*n, depth);
    }
    const auto n_bytes = checked_mul(*n, meta_type_bytes(type));
    const auto bytes = n_bytes ? cursor_.take(*n_bytes) : std::nullopt;
    if (!bytes) {
      return too_many(type, *n);
    }
    if (type == MetaType::boolean) {
      QUERN_TRY(check_bools(*bytes));
    }
    return MetaValue::numbers(type, *bytes);
  }

  Result<MetaValue> strings(uint64_t n) {
    // Each takes at least its length.
    if (n > std::min(limits::kArrayStrings, cursor_.n_remaining() / sizeof(uint64_t))) {
      return too_many(MetaType::string, n);
    }
    std::vector<std::string_view> values;
    values.reserve(n);
    for (uint64_t i = 0; i < n; ++i) {
      const auto text = cursor_.string();
      if (!text) {
        return truncated_value();
      }
      values.push_back(*text);
    }
    return MetaValue::strings(std::move(values));
  }

  // NOLINTNEXTLINE(misc-no-recursion): bounded by kArrayDepth.
  Result<MetaValue> arrays(uint64_t n, uint64_t depth) {
    if (depth >= limits::kArrayDepth) {
      return malformed(
          fmt::format("key '{}': arrays nested more than {} deep", printable(key_), depth),
          fmt::format("at most {} levels", limits::kArrayDepth));
    }
    // Each takes at least its element type and count.
    constexpr uint64_t min_array_bytes = 12;
    const uint64_t n_allowed = limits::kNestedArrays - n_nested_arrays_;
    if (n > std::min(n_allowed, cursor_.n_remaining() / min_array_bytes)) {
      return too_many(MetaType::array, n);
    }
    n_nested_arrays_ += n;
    std::vector<MetaValue> values;
    values.reserve(n);
    for (uint64_t i = 0; i < n; ++i) {
      QUERN_ASSIGN(MetaValue value, array(depth + 1));
      values.push_back(std::move(value));
    }
    return MetaValue::arrays(std::move(values));
  }

  Status check_bools(ByteSpan bytes) const {
    for (const std::byte byte : bytes) {
      if (byte > std::byte{1}) {
        return malformed(
            fmt::format("key '{}': bool {}", printable(key_), std::to_integer<int>(byte)),
            "0 or 1");
      }
    }
    return {};
  }

  std::unexpected<Error> truncated_value() const {
    return truncated(cursor_, fmt::format("the value of key '{}'", printable(key_)));
  }

  std::unexpected<Error> too_many(MetaType type, uint64_t n) const {
    return malformed(fmt::format("key '{}': an array of {} x {} with {} bytes left in the header",
                                 printable(key_), n, name(type), cursor_.n_remaining()),
                     "an array that fits");
  }

  Status check_keys() {
    const auto index = index_by_name(header_.metadata, &MetaPair::key);
    if (const auto key = repeated_name(header_.metadata, index, &MetaPair::key)) {
      return malformed(fmt::format("duplicate key '{}'", printable(*key)), "each key once");
    }
    const MetaPair* alignment =
        find_by_name<MetaPair>(header_.metadata, index, {"general.alignment", &MetaPair::key});
    if (alignment == nullptr) {
      return {};
    }
    const uint64_t n = alignment->value.as_u64().value_or(0);
    if (!std::has_single_bit(n) || n < limits::kMinAlignment || n > limits::kMaxAlignment) {
      return malformed(fmt::format("general.alignment is {} ({})", alignment->value.to_string(),
                                   name(alignment->value.type())),
                       fmt::format("an integer power of two from {} to {}", limits::kMinAlignment,
                                   limits::kMaxAlignment));
    }
    header_.alignment = n;
    return {};
  }

  Status tensor() {
    const auto tensor_name = cursor_.string();
    if (!tensor_name) {
      return truncated_tensor();
    }
    if (tensor_name->empty() || tensor_name->size() > limits::kTensorNameBytes) {
      return malformed(
          fmt::format("tensor {}: a name of {} bytes", header_.tensors.size(), tensor_name->size()),
          fmt::format("1 to {}", limits::kTensorNameBytes));
    }
    TensorInfo info;
    info.name = *tensor_name;
    QUERN_ASSIGN(info.shape, shape(*tensor_name));
    const auto type = cursor_.number<uint32_t>();
    const auto offset = cursor_.number<uint64_t>();
    if (!type || !offset) {
      return truncated_tensor();
    }
    const auto dtype = dtype_of(*type);
    if (!dtype) {
      return unsupported(fmt::format("tensor '{}': {}", printable(*tensor_name),
                                     describe_unknown_ggml_type(*type)),
                         "a storage type that this program knows");
    }
    info.dtype = *dtype;
    info.file_offset = *offset;  // made absolute by place_tensors
    QUERN_TRY(measure(info));
    header_.tensors.push_back(info);
    return {};
  }

  std::unexpected<Error> truncated_tensor() const {
    return truncated(cursor_, fmt::format("the description of tensor {}", header_.tensors.size()));
  }

  Result<Shape> shape(std::string_view tensor_name) {
    const auto n_dims = cursor_.number<uint32_t>();
    if (!n_dims) {
      return truncated_tensor();
    }
    if (*n_dims > kMaxDims) {
      return malformed(fmt::format("tensor '{}': {} dimensions", printable(tensor_name), *n_dims),
                       fmt::format("at most {}", kMaxDims));
    }
    // The file lists the innermost dimension first.
    std::array<uint64_t, kMaxDims> dims{};
    for (uint32_t i = 0; i < *n_dims; ++i) {
      const auto dim = cursor_.number<uint64_t>();
      if (!dim) {
        return truncated_tensor();
      }
      if (*dim == 0) {
        return malformed(fmt::format("tensor '{}': dimension {} is 0", printable(tensor_name), i),
                         "at least 1");
      }
      dims[i] = *dim;
    }
    Shape result;
    for (uint32_t i = *n_dims; i-- > 0;) {
      result.push_back(dims[i]);
    }
    return result;
  }

  // Fills in n_bytes, and keeps the count of all elements below 2^63.
  Status measure(TensorInfo& info) {
    const auto n_elements = info.shape.n_elements();
    const auto total = n_elements ? checked_add(n_elements_, *n_elements) : std::nullopt;
    if (!total || *total > static_cast<uint64_t>(INT64_MAX)) {
      return malformed(fmt::format("tensor '{}': shape {} is too large", printable(info.name),
                                   info.shape.to_string()),
                       "fewer than 2^63 elements");
    }
    n_elements_ = *total;
    const uint64_t n_columns = info.shape.back();
    const auto n_row_bytes = row_bytes(info.dtype, n_columns);
    if (n_columns % traits(info.dtype).block_elements != 0) {
      return malformed(fmt::format("tensor '{}': rows of {} elements in {}", printable(info.name),
                                   n_columns, name(info.dtype)),
                       fmt::format("a multiple of {}", traits(info.dtype).block_elements));
    }
    const auto n_bytes =
        n_row_bytes ? checked_mul(*n_row_bytes, *n_elements / n_columns) : std::nullopt;
    if (!n_bytes) {
      return malformed(fmt::format("tensor '{}': {} of {} overflows", printable(info.name),
                                   name(info.dtype), info.shape.to_string()),
                       "a size that fits the file");
    }
    info.n_bytes = *n_bytes;
    return {};
  }

  Status place_tensors() {
    for (TensorInfo& info : header_.tensors) {
      if (info.file_offset % header_.alignment != 0) {
        return malformed(fmt::format("tensor '{}': offset {} is not aligned", printable(info.name),
                                     info.file_offset),
                         fmt::format("a multiple of {}", header_.alignment));
      }
      const auto begin = checked_add(header_.data_offset, info.file_offset);
      const auto end = begin ? checked_add(*begin, info.n_bytes) : std::nullopt;
      if (!end || *end > n_file_bytes_) {
        return malformed(
            fmt::format("tensor '{}': {} bytes at offset {} lie past the end of the "
                        "file of {} bytes",
                        printable(info.name), info.n_bytes, info.file_offset, n_file_bytes_),
            "a complete file");
      }
      info.file_offset = *begin;
    }
    return check_overlaps();
  }

  Status check_overlaps() const {
    std::vector<const TensorInfo*> by_offset;
    by_offset.reserve(header_.tensors.size());
    for (const TensorInfo& info : header_.tensors) {
      by_offset.push_back(&info);
    }
    std::ranges::sort(by_offset, {}, &TensorInfo::file_offset);
    for (size_t i = 1; i < by_offset.size(); ++i) {
      const TensorInfo& before = *by_offset[i - 1];
      if (before.file_offset + before.n_bytes > by_offset[i]->file_offset) {
        return malformed(fmt::format("tensors '{}' and '{}' overlap", printable(before.name),
                                     printable(by_offset[i]->name)),
                         "each in bytes of its own");
      }
    }
    return {};
  }

  Cursor cursor_;
  uint64_t n_file_bytes_;
  uint64_t n_pairs_ = 0;
  uint64_t n_tensors_ = 0;
  uint64_t n_nested_arrays_ = 0;
  uint64_t n_elements_ = 0;
  std::string_view key_;  // the pair being read, for messages
  FileHeader header_;
};

}  // namespace

Result<FileHeader> parse_header(ByteSpan bytes, uint64_t n_file_bytes) {
  return HeaderParser(bytes, n_file_bytes).parse();
}

}  // namespace quern
