#include "gguf/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "gguf/ggml_type.h"
#include "gguf/header_parser.h"
#include "gguf/reader.h"
#include "text/printable.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

std::unexpected<Error> refused(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "gguf",
               .what = std::move(what),
               .expected = std::move(expected)});
}

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void put_string(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out.append(text);
}

void put_bytes(std::string& out, ByteSpan bytes) {
  if (!bytes.empty()) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

// Everything of a value that follows its type.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the value the caller built.
void put_value(std::string& out, const MetaValue& value) {
  if (const auto text = value.as_string()) {
    put_string(out, *text);
    return;
  }
  if (!value.is_array()) {
    const uint64_t bits = value.bits();
    out.append(reinterpret_cast<const char*>(&bits), meta_type_bytes(value.type()));
    return;
  }
  put(out, static_cast<uint32_t>(value.element_type()));
  put<uint64_t>(out, value.n_elements());
  if (const auto bytes = value.as_number_bytes()) {
    put_bytes(out, *bytes);
  } else if (const auto strings = value.as_strings()) {
    for (const std::string_view text : *strings) {
      put_string(out, text);
    }
  } else if (const auto arrays = value.as_arrays()) {
    for (const MetaValue& array : *arrays) {
      put_value(out, array);
    }
  }
}

void put_pair(std::string& out, std::string_view key, const MetaValue& value) {
  put_string(out, key);
  put(out, static_cast<uint32_t>(value.type()));
  put_value(out, value);
}

ByteSpan as_byte_span(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::unexpected<Error> cannot_write(const fs::path& path) {
  return fail({.kind = ErrorKind::io,
               .where = "gguf",
               .what = fmt::format("cannot write '{}'", path.string()),
               .expected = "a writable folder with enough space"});
}

// Zeros up to the next multiple of `alignment` after `n_bytes`.
std::string padding(uint64_t n_bytes, uint64_t alignment) {
  return std::string((alignment - n_bytes % alignment) % alignment, '\0');
}

}  // namespace

GgufWriter::GgufWriter(uint32_t version)
    : version_(version), alignment_(gguf_limits::kDefaultAlignment) {
  QUERN_CHECK(version == 2 || version == 3);
}

Status GgufWriter::add(std::string_view key, const MetaValue& value) {
  if (key.empty() || key.size() > gguf_limits::kKeyBytes) {
    return refused(fmt::format("a key of {} bytes", key.size()),
                   fmt::format("1 to {}", gguf_limits::kKeyBytes));
  }
  if (std::ranges::find(keys_, key) != keys_.end()) {
    return refused(fmt::format("key '{}' twice", printable(key)), "each key once");
  }
  if (key == "general.alignment") {
    const uint64_t n = value.as_u64().value_or(0);
    if (!std::has_single_bit(n) || n < gguf_limits::kMinAlignment ||
        n > gguf_limits::kMaxAlignment) {
      return refused(fmt::format("general.alignment {}", value.to_string()),
                     fmt::format("a power of two from {} to {}", gguf_limits::kMinAlignment,
                                 gguf_limits::kMaxAlignment));
    }
    alignment_ = n;
  }
  put_pair(pairs_, key, value);
  keys_.emplace_back(key);
  return {};
}

Status GgufWriter::add_metadata(const ModelCard& card) {
  for (const MetaPair& pair : card.metadata()) {
    if (!pair.key.starts_with("split.")) {
      QUERN_TRY(add(pair.key, pair.value));
    }
  }
  return {};
}

Status GgufWriter::add_tensor(TensorSpec spec, TensorSource source) {
  if (spec.name.empty() || spec.name.size() > gguf_limits::kTensorNameBytes) {
    return refused(fmt::format("a tensor name of {} bytes", spec.name.size()),
                   fmt::format("1 to {}", gguf_limits::kTensorNameBytes));
  }
  const bool repeated = std::ranges::any_of(
      tensors_, [&](const Tensor& tensor) { return tensor.spec.name == spec.name; });
  if (repeated) {
    return refused(fmt::format("tensor '{}' twice", printable(spec.name)), "each tensor once");
  }
  const uint64_t n_columns = spec.shape.back();
  const auto n_elements = spec.shape.n_elements();
  const auto n_row_bytes = row_bytes(spec.dtype, n_columns);
  const auto n_bytes = n_elements && *n_elements != 0 && n_row_bytes
                           ? checked_mul(*n_row_bytes, *n_elements / n_columns)
                           : std::nullopt;
  if (!n_bytes) {
    return refused(fmt::format("tensor '{}': {} of {}", printable(spec.name), name(spec.dtype),
                               spec.shape.to_string()),
                   "whole blocks, and a size that fits");
  }
  tensors_.push_back({.spec = std::move(spec), .n_bytes = *n_bytes, .source = std::move(source)});
  return {};
}

Status GgufWriter::add_tensor(TensorSpec spec, ByteSpan bytes) {
  return add_tensor(std::move(spec), [bytes](const ByteSink& sink) { return sink(bytes); });
}

std::string GgufWriter::header(const Part& part) const {
  std::string out = "GGUF";
  put(out, version_);
  put(out, part.end - part.begin);
  put(out, part.n_pairs);
  out += part.pairs;
  uint64_t offset = 0;
  for (uint64_t t = part.begin; t < part.end; ++t) {
    const Tensor& tensor = tensors_[t];
    const Shape& shape = tensor.spec.shape;
    put_string(out, tensor.spec.name);
    put(out, static_cast<uint32_t>(shape.n_dims()));
    for (int i = shape.n_dims(); i-- > 0;) {
      put(out, shape[i]);
    }
    put(out, static_cast<uint32_t>(ggml_type_of(tensor.spec.dtype)));
    put(out, offset);
    offset += tensor.n_bytes + padding(tensor.n_bytes, alignment_).size();
  }
  // A file without tensors has no data section to align.
  if (part.begin < part.end) {
    out += padding(out.size(), alignment_);
  }
  return out;
}

Status GgufWriter::write_part(const Part& part, const ByteSink& sink) const {
  QUERN_TRY(sink(as_byte_span(header(part))));
  for (uint64_t t = part.begin; t < part.end; ++t) {
    const Tensor& tensor = tensors_[t];
    uint64_t n_written = 0;
    QUERN_TRY(tensor.source([&](ByteSpan piece) {
      n_written += piece.size();
      return sink(piece);
    }));
    if (n_written != tensor.n_bytes) {
      return refused(
          fmt::format("tensor '{}' gave {} bytes", printable(tensor.spec.name), n_written),
          fmt::format("{}", tensor.n_bytes));
    }
    QUERN_TRY(sink(as_byte_span(padding(tensor.n_bytes, alignment_))));
  }
  return {};
}

Status GgufWriter::write_part_file(const Part& part, const fs::path& path) const {
  std::error_code error;
  // Renaming would put a file in the place of a device or a pipe.
  if (fs::exists(path, error) && !fs::is_regular_file(path, error)) {
    return fail({.kind = ErrorKind::io,
                 .where = "gguf",
                 .what = fmt::format("'{}' is no regular file", printable(path.string())),
                 .expected = "the name of a file to write"});
  }
  fs::path partial = path;
  partial += ".partial";
  std::ofstream out(partial, std::ios::binary | std::ios::trunc);
  const ByteSink sink = [&](ByteSpan bytes) -> Status {
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    return out ? Status() : cannot_write(partial);
  };
  Status status = out ? write_part(part, sink) : cannot_write(partial);
  out.close();
  if (status && !out) {
    status = cannot_write(partial);
  }
  if (status) {
    fs::rename(partial, path, error);
    return error ? Status(cannot_write(path)) : Status();
  }
  fs::remove(partial, error);
  return status;
}

Status GgufWriter::write(const ByteSink& sink) const {
  return write_part({.pairs = pairs_, .n_pairs = keys_.size(), .begin = 0, .end = tensors_.size()},
                    sink);
}

Status GgufWriter::write_file(const fs::path& path) const {
  return write_part_file(
      {.pairs = pairs_, .n_pairs = keys_.size(), .begin = 0, .end = tensors_.size()}, path);
}

Result<std::vector<fs::path>> GgufWriter::write_split(const fs::path& base,
                                                      uint64_t max_tensors) const {
  QUERN_CHECK(max_tensors >= 1);
  const uint64_t n_tensors = tensors_.size();
  const uint64_t n_files = std::max<uint64_t>((n_tensors + max_tensors - 1) / max_tensors, 1);
  if (n_files > gguf_limits::kSplitFiles) {
    return refused(fmt::format("{} files", n_files),
                   fmt::format("at most {}", gguf_limits::kSplitFiles));
  }
  std::vector<fs::path> paths;
  for (uint64_t i = 0; i < n_files; ++i) {
    Part part{.pairs = i == 0 ? pairs_ : std::string(),
              .n_pairs = i == 0 ? keys_.size() : 0,
              .begin = i * max_tensors,
              .end = std::min(n_tensors, (i + 1) * max_tensors)};
    if (i > 0 && alignment_ != gguf_limits::kDefaultAlignment) {
      put_pair(part.pairs, "general.alignment", MetaValue::u32(static_cast<uint32_t>(alignment_)));
      ++part.n_pairs;
    }
    put_pair(part.pairs, "split.no", MetaValue::u16(static_cast<uint16_t>(i)));
    put_pair(part.pairs, "split.count", MetaValue::u16(static_cast<uint16_t>(n_files)));
    put_pair(part.pairs, "split.tensors.count", MetaValue::i32(static_cast<int32_t>(n_tensors)));
    part.n_pairs += 3;
    paths.push_back(base.parent_path() / split_file_name(base.filename().string(), i, n_files));
    QUERN_TRY(write_part_file(part, paths.back()));
  }
  return paths;
}

}  // namespace quern
