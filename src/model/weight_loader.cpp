#include "model/weight_loader.h"

#include <fmt/format.h>

#include "kernels/scalar/dequantise.h"

namespace quern {
namespace {

Error wrong(const std::string& what, const std::string& expected) {
  return {.kind = ErrorKind::invalid_input, .where = "model", .what = what, .expected = expected};
}

}  // namespace

Result<WeightLoader> WeightLoader::open(const ModelCard& card, Backend& backend,
                                        WeightLoaderOptions options) {
  WeightLoader loader;
  loader.card_ = &card;
  loader.backend_ = &backend;
  loader.options_ = std::move(options);
  for (const auto& path : card.files()) {
    QUERN_ASSIGN(MappedFile file, MappedFile::open(path, loader.options_.fail_points));
    loader.files_.push_back(std::move(file));
  }
  // The card was read earlier; a file that shrank since must not be read past its end.
  for (const TensorInfo& tensor : card.tensors()) {
    const uint64_t n_bytes = loader.files_[tensor.file_index].n_bytes();
    if (tensor.file_offset > n_bytes || tensor.n_bytes > n_bytes - tensor.file_offset) {
      return fail(wrong(fmt::format("tensor '{}' ends beyond its file", tensor.name),
                        "a file that is whole"));
    }
  }
  return loader;
}

Result<const TensorInfo*> WeightLoader::find(const std::string& name, const Shape& want) {
  const TensorInfo* tensor = card_->find_tensor(name);
  if (tensor == nullptr) {
    return fail(wrong(fmt::format("tensor '{}' is missing", name), "shape " + want.to_string()));
  }
  if (tensor->shape != want) {
    return fail(wrong(fmt::format("tensor '{}': got {}", name, tensor->shape.to_string()),
                      want.to_string()));
  }
  used_.insert(tensor->name);
  return tensor;
}

// A fault that was ordered, and what a backend says when it comes by itself.
Status WeightLoader::check_memory(const TensorInfo& tensor) const {
  if (fails_at(options_.fail_points, FailPoint::allocation)) {
    return fail({.kind = ErrorKind::out_of_memory,
                 .where = "memory",
                 .what = fmt::format("cannot allocate {} bytes", tensor.n_bytes),
                 .expected = "a smaller model, context or pool"});
  }
  return {};
}

// Packed or copied: the file's pages need not stay.
Status WeightLoader::finished_with(const TensorInfo& tensor) {
  const MappedFile& file = files_[tensor.file_index];
  QUERN_TRY(file.check_intact());
  file.advise_dontneed(tensor.file_offset, tensor.n_bytes);
  bytes_done_ += tensor.n_bytes;
  if (options_.progress) {
    options_.progress(bytes_done_, card_->tensor_bytes());
  }
  return {};
}

ByteSpan WeightLoader::bytes_of(const TensorInfo& tensor) const {
  return files_[tensor.file_index].bytes().subspan(tensor.file_offset, tensor.n_bytes);
}

Status WeightLoader::check_type(const TensorInfo& tensor) const {
  if (backend_->supports(tensor.dtype)) {
    return {};
  }
  return fail(
      {.kind = ErrorKind::unsupported,
       .where = "model",
       .what = fmt::format("tensor '{}' is stored as {}, which this build cannot compute with",
                           tensor.name, quern::name(tensor.dtype)),
       .expected = "F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS or MXFP4"});
}

Result<std::unique_ptr<Matrix>> WeightLoader::matrix(const std::string& name, uint32_t n_rows,
                                                     uint32_t n_columns) {
  const TensorInfo* there = card_->find_tensor(name);
  const bool is_row = n_rows == 1 && there != nullptr && there->shape.n_dims() == 1;
  QUERN_ASSIGN(const TensorInfo* tensor,
               find(name, is_row ? Shape{n_columns} : Shape{n_rows, n_columns}));
  QUERN_TRY(check_type(*tensor));
  QUERN_TRY(check_memory(*tensor));
  auto matrix = backend_->load_matrix({.dtype = tensor->dtype,
                                       .n_rows = n_rows,
                                       .n_columns = n_columns,
                                       .bytes = bytes_of(*tensor)});
  QUERN_TRY(finished_with(*tensor));
  return matrix;
}

// One tensor of all experts, or one of each.
Result<std::vector<const TensorInfo*>> WeightLoader::find_experts(const std::string& stem,
                                                                  const Shape& shape) {
  std::vector<const TensorInfo*> tensors;
  if (!has(stem + ".0.weight")) {
    QUERN_ASSIGN(const TensorInfo* tensor, find(stem + "_exps.weight", shape));
    tensors.push_back(tensor);
    return tensors;
  }
  for (uint64_t e = 0; e < shape[0]; ++e) {
    const std::string name = fmt::format("{}.{}.weight", stem, e);
    QUERN_ASSIGN(const TensorInfo* tensor, find(name, Shape{shape[1], shape[2]}));
    if (e > 0 && tensor->dtype != tensors[0]->dtype) {
      return fail(
          {.kind = ErrorKind::unsupported,
           .where = "model",
           .what = fmt::format("tensor '{}' is stored as {}", name, quern::name(tensor->dtype)),
           .expected = fmt::format("{} as its fellow experts", quern::name(tensors[0]->dtype))});
    }
    tensors.push_back(tensor);
  }
  return tensors;
}

Result<std::unique_ptr<Experts>> WeightLoader::experts(const std::string& stem,
                                                       const Shape& shape) {
  QUERN_ASSIGN(const std::vector<const TensorInfo*> tensors, find_experts(stem, shape));
  QUERN_TRY(check_type(*tensors[0]));
  QUERN_TRY(check_memory(*tensors[0]));
  std::vector<ByteSpan> rows;
  for (const TensorInfo* tensor : tensors) {
    const uint64_t n_here = shape[0] / tensors.size();
    const uint64_t n_bytes = tensor->n_bytes / n_here;
    for (uint64_t e = 0; e < n_here; ++e) {
      rows.push_back(bytes_of(*tensor).subspan(e * n_bytes, n_bytes));
    }
  }
  auto experts = backend_->load_experts({.dtype = tensors[0]->dtype,
                                         .n_rows = static_cast<uint32_t>(shape[1]),
                                         .n_columns = static_cast<uint32_t>(shape[2]),
                                         .experts = rows});
  for (const TensorInfo* tensor : tensors) {
    QUERN_TRY(finished_with(*tensor));
  }
  return experts;
}

Result<std::vector<float>> WeightLoader::host_vector(const std::string& name, uint32_t n) {
  QUERN_ASSIGN(const TensorInfo* tensor, find(name, Shape{n}));
  if (traits(tensor->dtype).quantised || !can_dequantise(tensor->dtype)) {
    return fail(wrong(fmt::format("tensor '{}' is stored as {}", name, quern::name(tensor->dtype)),
                      "F32, F16 or BF16"));
  }
  QUERN_TRY(check_memory(*tensor));
  std::vector<float> values(n);
  dequantise_row(tensor->dtype, bytes_of(*tensor).data(), values.data(), n);
  QUERN_TRY(finished_with(*tensor));
  return values;
}

Result<std::unique_ptr<Vector>> WeightLoader::vector(const std::string& name, uint32_t n) {
  QUERN_ASSIGN(const std::vector<float> values, host_vector(name, n));
  return backend_->load_vector(values);
}

Result<std::unique_ptr<Vector>> WeightLoader::optional_vector(const std::string& name, uint32_t n) {
  if (!has(name)) {
    return std::unique_ptr<Vector>();
  }
  return vector(name, n);
}

void WeightLoader::warn_about_unused(const Log& log) const {
  for (const TensorInfo& tensor : card_->tensors()) {
    if (!used_.contains(tensor.name)) {
      log.warn(fmt::format("[model] tensor '{}' is not used by architecture '{}'", tensor.name,
                           card_->architecture()));
      return;
    }
  }
}

}  // namespace quern
