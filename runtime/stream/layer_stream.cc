// The handles that callers hold: LayerStream and Layer.
#include <algorithm>
#include <new>
#include <utility>

#include "format/base/try.h"
#include "runtime/stream/stream_state.h"

namespace qload {

namespace {

using internal::LayerState;
using internal::StreamState;

/// Where the tensors of a part lie.
void list_tensors(const StreamState& stream, LayerState& layer) {
  for (const PartRange& range : stream.plan.ranges_of(stream.part_of(layer.number))) {
    LayerTensor tensor;
    tensor.info = &stream.model->tensors[range.tensor];
    if (stream.tiers[range.tensor] == Tier::kDecoded) {
      tensor.data = stream.resident->find(tensor.info->name)->data;
    } else if (range.bytes > 0) {
      tensor.data = {stream.area_memory.block.data() + layer.offset + range.part_offset,
                     range.bytes};
    }
    const uint64_t row = row_bytes(*tensor.info);
    tensor.offset = range.offset;
    tensor.first_row = row == 0 ? 0 : range.offset / row;
    tensor.rows = row == 0 ? 0 : range.bytes / row;
    layer.tensors.push_back(tensor);
  }
}

const LayerPart& part_of(const LayerState& state) { return state.stream->part_of(state.number); }
const GroupRecord& group_of(const LayerState& state) {
  return state.stream->model->container.index.groups()[part_of(state).group];
}

}  // namespace

Layer::Layer(std::unique_ptr<internal::LayerState> state) : state_(std::move(state)) {}
Layer::~Layer() = default;
Layer::Layer(Layer&&) noexcept = default;
Layer& Layer::operator=(Layer&&) noexcept = default;

uint32_t Layer::pass() const {
  return static_cast<uint32_t>(state_->number / state_->stream->plan.parts.size());
}
uint32_t Layer::group() const { return part_of(*state_).group; }
uint32_t Layer::layer() const { return group_of(*state_).layer; }
uint32_t Layer::stack() const { return group_of(*state_).stack; }
uint32_t Layer::part() const { return part_of(*state_).part; }
uint32_t Layer::part_count() const { return part_of(*state_).part_count; }
std::span<const LayerTensor> Layer::tensors() const { return state_->tensors; }

const LayerTensor* Layer::find(std::string_view name) const {
  const auto found = std::ranges::find_if(
      state_->tensors, [&](const LayerTensor& tensor) { return tensor.info->name == name; });
  return found == state_->tensors.end() ? nullptr : &*found;
}

LayerStream::LayerStream(std::shared_ptr<internal::StreamState> state) : state_(std::move(state)) {}
LayerStream::~LayerStream() {
  if (state_ != nullptr) state_->stop();
}
LayerStream::LayerStream(LayerStream&&) noexcept = default;
LayerStream& LayerStream::operator=(LayerStream&& other) noexcept {
  if (this == &other) return *this;
  if (state_ != nullptr) state_->stop();
  state_ = std::move(other.state_);
  return *this;
}

bool LayerStream::done() const { return state_->done(); }
StreamFacts LayerStream::facts() const { return state_->facts; }
PassStatistics LayerStream::last_pass() const { return state_->last_pass(); }

Result<Layer> LayerStream::next() {
  try {
    // Allocated first: what was taken must not be lost for want of memory.
    auto layer = std::make_unique<LayerState>(state_);
    layer->tensors.reserve(state_->range_count_max);
    QLOAD_CHECK(state_->take_next(layer->number, layer->offset));
    list_tensors(*state_, *layer);
    return Layer(std::move(layer));
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kOutOfMemory, "out of memory");
  }
}

}  // namespace qload
