// WeightLoader: takes tensors out of a model's files into a backend, checked against what the
// architecture expects. Used by one thread, during load only; borrows card and backend, owns the
// mappings. Each tensor is copied: when the loader goes, nothing of the files stays mapped, so what
// happens to them later cannot reach the model. A file that changes, or cannot be read, while it is
// copied is an io error.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "gguf/model_card.h"

namespace quern {

// Called as loading goes on, with bytes done and in all.
using LoadProgress = std::function<void(uint64_t done, uint64_t total)>;

struct WeightLoaderOptions {
  LoadProgress progress = {};
  FailPoints* fail_points = nullptr;  // hit: mmap at each file; allocation and read at each tensor
};

class WeightLoader {
 public:
  // Opens every file of the card.
  static Result<WeightLoader> open(const ModelCard& card, Backend& backend,
                                   WeightLoaderOptions options);

  Backend& backend() { return *backend_; }

  // A tensor [n_rows, n_columns], or [n_columns] for one row, as a matrix. `name` is the file's,
  // e.g. "blk.3.attn_q.weight".
  Result<std::unique_ptr<Matrix>> matrix(const std::string& name, uint32_t n_rows,
                                         uint32_t n_columns);
  // The matrices of all experts: a tensor STEM_exps.weight [n_experts, n_rows, n_columns], or, as
  // older files have them, STEM.0.weight, STEM.1.weight and so on.
  Result<std::unique_ptr<Experts>> experts(const std::string& stem, const Shape& shape);
  // A tensor [n] of plain numbers.
  Result<std::unique_ptr<Vector>> vector(const std::string& name, uint32_t n);
  // Null when the file has none.
  Result<std::unique_ptr<Vector>> optional_vector(const std::string& name, uint32_t n);
  // On the host, where load-time arithmetic needs the values.
  Result<std::vector<float>> host_vector(const std::string& name, uint32_t n);

  bool has(const std::string& name) const { return card_->find_tensor(name) != nullptr; }

  // Warns about tensors that nobody asked for: the architecture may be newer than this program.
  void warn_about_unused(const Log& log) const;

 private:
  WeightLoader() = default;
  Result<const TensorInfo*> find(const std::string& name, const Shape& want);
  Status check_memory(const TensorInfo& tensor) const;
  Status check_type(const TensorInfo& tensor) const;
  Result<std::vector<const TensorInfo*>> find_experts(const std::string& stem, const Shape& shape);
  ByteSpan bytes_of(const TensorInfo& tensor) const;
  Status finished_with(const TensorInfo& tensor);

  const ModelCard* card_ = nullptr;
  Backend* backend_ = nullptr;
  WeightLoaderOptions options_;
  std::vector<MappedFile> files_;
  std::set<std::string_view> used_;
  uint64_t bytes_done_ = 0;
};

}  // namespace quern
