#include "bench/paper/stream_plan.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

constexpr uint64_t kSamplesOfPiece = 16;
constexpr uint64_t kSampleBytes = 4096;
constexpr uint64_t kComparedBytes = 1u << 20;

using LayerKey = std::pair<uint32_t, uint32_t>;  // Stack, layer.

LayerKey layer_of(const TensorInfo& tensor) { return {tensor.stack, tensor.layer}; }

uint64_t largest_layer(const Model& packed) {
  std::map<LayerKey, uint64_t> layers;
  uint64_t largest = 0;
  for (const TensorInfo& tensor : packed.tensors()) {
    if (tensor.layer == kNoLayer) continue;
    largest = std::max(largest, layers[layer_of(tensor)] += tensor.bytes);
  }
  return largest;
}

/// Which tensors go together, in load order.
std::vector<std::vector<const TensorInfo*>> cut_pieces(const Model& packed) {
  const uint64_t outside_bytes_max = largest_layer(packed);
  std::vector<std::vector<const TensorInfo*>> pieces;
  std::map<LayerKey, size_t> piece_of_layer;
  bool outside_is_open = false;
  uint64_t outside_bytes = 0;
  for (const TensorInfo& tensor : packed.tensors()) {
    if (tensor.layer != kNoLayer) {
      outside_is_open = false;
      const auto [place, is_new] = piece_of_layer.emplace(layer_of(tensor), pieces.size());
      if (is_new) pieces.emplace_back();
      pieces[place->second].push_back(&tensor);
      continue;
    }
    if (!outside_is_open || outside_bytes + tensor.bytes > outside_bytes_max) {
      pieces.emplace_back();
      outside_is_open = true;
      outside_bytes = 0;
    }
    pieces.back().push_back(&tensor);
    outside_bytes += tensor.bytes;
  }
  return pieces;
}

Status take_samples(StreamPiece& piece, const ModelSource& source) {
  uint64_t total = 0;
  for (const StreamTensor& tensor : piece.tensors) total += tensor.bytes;
  const uint64_t step = std::max<uint64_t>(total / kSamplesOfPiece, 1);
  uint64_t passed = 0;
  uint64_t next = 0;
  std::vector<std::byte> bytes;
  for (size_t number = 0; number < piece.tensors.size(); ++number) {
    const StreamTensor& tensor = piece.tensors[number];
    const SourceTensor& found = source.tensors()[tensor.source];
    for (; next < passed + tensor.bytes; next += step) {
      const uint64_t offset = next - passed;
      bytes.resize(std::min<uint64_t>(kSampleBytes, tensor.bytes - offset));
      QLOAD_CHECK(source.read(found.file, found.offset + offset, bytes));
      piece.samples.push_back({.tensor = number,
                               .offset = offset,
                               .bytes = bytes.size(),
                               .checksum = checksum64(bytes)});
    }
    passed += tensor.bytes;
  }
  return Ok{};
}

Error wrong_tensor(const StreamTensor& tensor, uint64_t offset) {
  return Error(ErrorCode::kCorrupt, text("wrong answer: tensor ", quote(tensor.name),
                                         " differs from its source after byte ", offset));
}

}  // namespace

uint64_t place_ranges(StreamPiece& piece, std::span<const SourceTensor> source) {
  std::vector<StreamTensor*> sorted;
  for (StreamTensor& tensor : piece.tensors) sorted.push_back(&tensor);
  std::ranges::sort(sorted, {}, [&](const StreamTensor* tensor) {
    return std::pair(source[tensor->source].file, source[tensor->source].offset);
  });
  uint64_t place = 0;
  for (StreamTensor* tensor : sorted) {
    const SourceTensor& found = source[tensor->source];
    const bool near =
        !piece.ranges.empty() && piece.ranges.back().file == found.file &&
        found.offset <=
            align_up(piece.ranges.back().offset + piece.ranges.back().bytes, kAlignmentMin);
    if (!near) {
      piece.ranges.push_back({.file = found.file,
                              .offset = align_down(found.offset, kAlignmentMin),
                              .bytes = 0,
                              .place = place});
    }
    StreamRange& range = piece.ranges.back();
    range.bytes = found.offset + found.bytes - range.offset;
    tensor->range_place = range.place + (found.offset - range.offset);
    place = align_up(range.place + range.bytes, kAlignmentMin);
  }
  return place;
}

Result<StreamPlan> plan_stream(const Model& packed, const ModelSource& source) {
  std::unordered_map<std::string_view, uint32_t> numbers;
  for (uint32_t number = 0; number < source.tensors().size(); ++number) {
    numbers.emplace(source.tensors()[number].name, number);
  }
  StreamPlan plan;
  for (const std::vector<const TensorInfo*>& tensors : cut_pieces(packed)) {
    StreamPiece piece;
    uint64_t end = 0;
    for (const TensorInfo* tensor : tensors) {
      const auto found = numbers.find(tensor->name);
      if (found == numbers.end() || source.tensors()[found->second].bytes != tensor->bytes) {
        return Error(ErrorCode::kCorrupt, text("tensor ", quote(tensor->name),
                                               " of the container is not in the plain model"));
      }
      piece.tensors.push_back({.name = std::string(tensor->name),
                               .source = found->second,
                               .bytes = tensor->bytes,
                               .aligned_place = end,
                               .range_place = 0});
      end = align_up(end + tensor->bytes, kAlignmentMin);
    }
    plan.arena_bytes = std::max({plan.arena_bytes, end, place_ranges(piece, source.tensors())});
    QLOAD_CHECK(take_samples(piece, source));
    plan.pieces.push_back(std::move(piece));
  }
  return plan;
}

Status check_samples(const StreamPiece& piece, const StreamBytes& bytes) {
  for (const StreamSample& sample : piece.samples) {
    const StreamTensor& tensor = piece.tensors[sample.tensor];
    const auto found = bytes(tensor).subspan(sample.offset, sample.bytes);
    if (checksum64(found) != sample.checksum) return wrong_tensor(tensor, sample.offset);
  }
  return Ok{};
}

Status compare_piece(const StreamPiece& piece, const ModelSource& source,
                     const StreamBytes& bytes) {
  std::vector<std::byte> expected;
  for (const StreamTensor& tensor : piece.tensors) {
    const std::span<const std::byte> found = bytes(tensor);
    const SourceTensor& place = source.tensors()[tensor.source];
    for (uint64_t offset = 0; offset < tensor.bytes; offset += kComparedBytes) {
      expected.resize(std::min<uint64_t>(kComparedBytes, tensor.bytes - offset));
      QLOAD_CHECK(source.read(place.file, place.offset + offset, expected));
      if (std::memcmp(found.data() + offset, expected.data(), expected.size()) != 0) {
        return wrong_tensor(tensor, offset);
      }
    }
  }
  return Ok{};
}

}  // namespace qload::bench
