#include "tools/qrun/read_layout.h"

#include <algorithm>
#include <tuple>

#include "format/base/checked.h"
#include "tools/qrun/direct_file.h"

namespace qload::qrun {
namespace {

// A gap between tensors that costs less to read over than a read of its own: what a drive of
// 1 GB/s reads in the 60 microseconds of a request.
constexpr uint64_t kGapBytesMax = 64u << 10;

/// Marks tensors as resident, in the order of the calls, while the bytes last.
class ResidentSet {
 public:
  ResidentSet(std::span<const ModelTensor> model, uint64_t bytes_max)
      : model_(model), bytes_left_(bytes_max), chosen_(model.size()) {}
  void offer(uint32_t tensor) {
    // What its run may add at both ends counts as well.
    const uint64_t bytes = model_[tensor].bytes + 2 * kDirectAlignment;
    if (chosen_[tensor] || bytes > bytes_left_) return;
    chosen_[tensor] = true;
    bytes_left_ -= bytes;
  }
  bool holds(uint32_t tensor) const { return chosen_[tensor]; }
  std::vector<uint32_t> list() const {
    std::vector<uint32_t> out;
    for (uint32_t i = 0; i < chosen_.size(); ++i) {
      if (chosen_[i]) out.push_back(i);
    }
    return out;
  }

 private:
  std::span<const ModelTensor> model_;
  uint64_t bytes_left_;
  std::vector<bool> chosen_;
};

ResidentSet choose_resident(std::span<const ModelTensor> model, const WeightPlan& plan,
                            uint64_t bytes_max) {
  ResidentSet set(model, bytes_max);
  const uint32_t embedding = plan.steps.front()[plan.embedding.slot];
  const auto offer_all = [&](bool matrices) {
    for (const std::vector<uint32_t>& step : plan.steps) {
      for (const uint32_t tensor : step) {
        const bool is_matrix = model[tensor].shape.size() > 1;
        const bool by_row = tensor == embedding && &step == &plan.steps.front();
        if (is_matrix == matrices && !by_row) set.offer(tensor);
      }
    }
  };
  offer_all(false);
  offer_all(true);
  set.offer(embedding);
  return set;
}

}  // namespace

ReadGroup lay_out_reads(std::span<const ModelTensor> model, std::vector<uint32_t> tensors) {
  ReadGroup group;
  std::ranges::sort(tensors, [&](uint32_t a, uint32_t b) {
    return std::tuple(model[a].file, model[a].offset) < std::tuple(model[b].file, model[b].offset);
  });
  for (const uint32_t number : tensors) {
    const ModelTensor& tensor = model[number];
    const uint64_t end = tensor.offset + tensor.bytes;
    ReadRun* last = group.runs.empty() ? nullptr : &group.runs.back();
    const bool joins = last != nullptr && last->file == tensor.file &&
                       tensor.offset <= last->offset + last->bytes_wanted + kGapBytesMax;
    if (!joins) {
      if (last != nullptr) group.buffer_bytes = last->place + last->bytes;
      const uint64_t offset = align_down(tensor.offset, kDirectAlignment);
      group.runs.push_back({.file = tensor.file, .offset = offset, .place = group.buffer_bytes});
      last = &group.runs.back();
    }
    last->bytes_wanted = end - last->offset;
    last->bytes = align_up(last->bytes_wanted, kDirectAlignment);
    group.places.push_back(last->place + tensor.offset - last->offset);
  }
  if (!group.runs.empty()) group.buffer_bytes = group.runs.back().place + group.runs.back().bytes;
  group.tensors = std::move(tensors);
  return group;
}

ReadLayout plan_reads(std::span<const ModelTensor> model, const WeightPlan& plan,
                      uint64_t resident_bytes) {
  const ResidentSet resident = choose_resident(model, plan, resident_bytes);
  ReadLayout layout;
  layout.resident = lay_out_reads(model, resident.list());
  const uint32_t embedding = plan.steps.front()[plan.embedding.slot];
  layout.embedding_by_rows = !resident.holds(embedding);
  for (const std::vector<uint32_t>& step : plan.steps) {
    std::vector<uint32_t> read;
    for (const uint32_t tensor : step) {
      const bool by_row = tensor == embedding && &step == &plan.steps.front();
      if (!resident.holds(tensor) && !by_row) read.push_back(tensor);
    }
    const ReadGroup& group = layout.steps.emplace_back(lay_out_reads(model, std::move(read)));
    layout.step_bytes_max = std::max(layout.step_bytes_max, group.buffer_bytes);
  }
  return layout;
}

}  // namespace qload::qrun
