#include "model/weight_loader.h"

#include <fmt/format.h>

#include "kernels/scalar/dequantise.h"

namespace quern {
namespace {

ByteSpan bytes_of(const MappedFile& file, const TensorInfo& tensor) {
  return file.bytes().subspan(tensor.file_offset, tensor.n_bytes);
}

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

Result<std::unique_ptr<Matrix>> WeightLoader::matrix(const std::string& name, uint32_t n_rows,
                                                     uint32_t n_columns) {
  QUERN_ASSIGN(const TensorInfo* tensor, find(name, Shape{n_rows, n_columns}));
  if (!backend_->supports(tensor->dtype)) {
    return fail(
        {.kind = ErrorKind::unsupported,
         .where = "model",
         .what = fmt::format("tensor '{}' is stored as {}, which this build cannot compute with",
                             name, quern::name(tensor->dtype)),
         .expected = "F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS or MXFP4"});
  }
  QUERN_TRY(check_memory(*tensor));
  auto matrix = backend_->load_matrix({.dtype = tensor->dtype,
                                       .n_rows = n_rows,
                                       .n_columns = n_columns,
                                       .bytes = bytes_of(files_[tensor->file_index], *tensor)});
  QUERN_TRY(finished_with(*tensor));
  return matrix;
}

Result<std::vector<float>> WeightLoader::host_vector(const std::string& name, uint32_t n) {
  QUERN_ASSIGN(const TensorInfo* tensor, find(name, Shape{n}));
  if (traits(tensor->dtype).quantised || !can_dequantise(tensor->dtype)) {
    return fail(wrong(fmt::format("tensor '{}' is stored as {}", name, quern::name(tensor->dtype)),
                      "F32, F16 or BF16"));
  }
  QUERN_TRY(check_memory(*tensor));
  std::vector<float> values(n);
  dequantise_row(tensor->dtype, bytes_of(files_[tensor->file_index], *tensor).data(), values.data(),
                 n);
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
