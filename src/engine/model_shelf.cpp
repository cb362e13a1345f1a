#include "engine/model_shelf.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace quern {
namespace {

bool is_gone(const ModelShelf::Shared& model) {
  return model->use.n_leases == 0;
}

}  // namespace

std::optional<int64_t> expiry_us(const ModelUse& use) {
  if (use.n_leases > 0 || use.keep_alive_us < 0) {
    return std::nullopt;
  }
  const int64_t most = std::numeric_limits<int64_t>::max() - use.keep_alive_us;
  return std::min(use.last_used_us, most) + use.keep_alive_us;
}

ModelShelf::Shared ModelShelf::find(std::string_view file) const {
  const auto found = std::ranges::find(here_, file, [](const Shared& m) { return m->file; });
  return found == here_.end() ? nullptr : *found;
}

void ModelShelf::begin_lease(ServedModel& model, int64_t now_us) {
  ++model.use.n_leases;
  model.use.last_used_us = now_us;
}

void ModelShelf::end_lease(ServedModel& model, int64_t now_us) {
  --model.use.n_leases;
  model.use.last_used_us = now_us;
}

bool ModelShelf::retire(const ServedModel& model) {
  const auto found = std::ranges::find(here_, &model, [](const Shared& m) { return m.get(); });
  if (found == here_.end()) {
    return false;
  }
  retired_.push_back(std::move(*found));
  here_.erase(found);
  return true;
}

void ModelShelf::retire_expired(int64_t now_us) {
  const auto first = std::stable_partition(here_.begin(), here_.end(), [&](const Shared& m) {
    const std::optional<int64_t> expiry = expiry_us(m->use);
    return !expiry || *expiry > now_us;
  });
  std::move(first, here_.end(), std::back_inserter(retired_));
  here_.erase(first, here_.end());
}

std::optional<int64_t> ModelShelf::next_expiry_us() const {
  std::optional<int64_t> next;
  for (const Shared& model : here_) {
    const auto expiry = expiry_us(model->use);
    if (expiry && (!next || *expiry < *next)) {
      next = expiry;
    }
  }
  return next;
}

std::optional<uint32_t> ModelShelf::make_room(FunctionRef<bool(uint64_t)> fits) {
  std::vector<ServedModel*> order;
  for (const Shared& model : here_) {
    order.push_back(model.get());
  }
  std::ranges::stable_sort(order, {}, [](const ServedModel* m) {
    return std::pair(m->use.n_leases > 0, m->use.last_used_us);
  });
  uint64_t n_bytes_that_stay = n_bytes();
  for (const Shared& model : retired_) {
    n_bytes_that_stay -= is_gone(model) ? model->bytes : 0;
  }
  size_t n_to_go = 0;
  while (!fits(n_bytes_that_stay)) {
    if (n_to_go == order.size()) {
      return std::nullopt;
    }
    n_bytes_that_stay -= order[n_to_go]->bytes;
    ++n_to_go;
  }
  uint32_t n_retired = 0;
  for (size_t i = 0; i < n_to_go; ++i) {
    order[i]->use.is_leaving = order[i]->use.n_leases > 0;
    n_retired += !order[i]->use.is_leaving && retire(*order[i]) ? 1 : 0;
  }
  return n_retired;
}

void ModelShelf::let_stay() {
  for (const Shared& model : here_) {
    model->use.is_leaving = false;
  }
}

std::vector<ModelShelf::Shared> ModelShelf::take_gone() {
  const auto first = std::stable_partition(retired_.begin(), retired_.end(),
                                           [](const Shared& m) { return !is_gone(m); });
  std::vector<Shared> gone(std::make_move_iterator(first), std::make_move_iterator(retired_.end()));
  retired_.erase(first, retired_.end());
  return gone;
}

bool ModelShelf::has_gone() const {
  return std::ranges::any_of(retired_, is_gone);
}

uint64_t ModelShelf::n_bytes() const {
  uint64_t sum = 0;
  for (const auto* models : {&here_, &retired_}) {
    for (const Shared& model : *models) {
      sum += model->bytes;
    }
  }
  return sum;
}

uint64_t ModelShelf::n_leased_bytes() const {
  uint64_t sum = 0;
  for (const auto* models : {&here_, &retired_}) {
    for (const Shared& model : *models) {
      sum += is_gone(model) ? 0 : model->bytes;
    }
  }
  return sum;
}

}  // namespace quern
