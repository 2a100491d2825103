#include <algorithm>
#include <numeric>
#include <utility>

#include "runtime/load/weights_state.h"

namespace qload {

internal::LentBlock::~LentBlock() {
  const auto blocks = pool.lock();
  if (blocks == nullptr) return;
  blocks->end_loan(block);
  blocks->give_back(std::move(block));
}

void internal::WeightsState::sort_names() {
  by_name.resize(tensors.size());
  std::iota(by_name.begin(), by_name.end(), 0u);
  std::sort(by_name.begin(), by_name.end(), [this](uint32_t a, uint32_t b) {
    return tensors[a].info->name < tensors[b].info->name;
  });
}

Weights::Weights(std::unique_ptr<internal::WeightsState> state) : state_(std::move(state)) {}
Weights::~Weights() = default;
Weights::Weights(Weights&&) noexcept = default;
Weights& Weights::operator=(Weights&&) noexcept = default;

std::span<const TensorView> Weights::tensors() const { return state_->tensors; }

const TensorView* Weights::find(std::string_view name) const {
  const auto found = std::lower_bound(state_->by_name.begin(), state_->by_name.end(), name,
                                      [this](uint32_t position, std::string_view wanted) {
                                        return state_->tensors[position].info->name < wanted;
                                      });
  if (found == state_->by_name.end()) return nullptr;
  const TensorView& view = state_->tensors[*found];
  return view.info->name == name ? &view : nullptr;
}

}  // namespace qload
