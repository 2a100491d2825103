// The portions that a stream brings layers in. Pure: no files, threads or clocks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "format/container/index.h"
#include "runtime/plan/read_plan.h"
#include "runtime/plan/tier_plan.h"

namespace qload {

/// Some or all chunks of one tensor in a part.
struct PartRange {
  uint32_t tensor = 0;  ///< Number in Index::tensors().
  ChunkRange chunks;
  uint64_t offset = 0;       ///< Of the first byte in the tensor.
  uint64_t bytes = 0;        ///< Decoded.
  uint64_t part_offset = 0;  ///< In the part's memory; of no meaning for Tier::kDecoded.
};

/// One portion of a pass: a group of the index, or a part of it.
struct LayerPart {
  uint32_t group = 0;  ///< Number in Index::groups().
  uint32_t part = 0;
  uint32_t part_count = 1;  ///< Of the group.
  uint32_t first_range = 0;
  uint32_t range_count = 0;
  uint64_t bytes = 0;  ///< Of memory, a multiple of the alignment; 0: all is kept decoded.
};

/// A pass: parts in order, each with its ranges in load order.
struct LayerPlan {
  std::vector<LayerPart> parts;
  std::vector<PartRange> ranges;

  std::span<const PartRange> ranges_of(const LayerPart& part) const {
    return std::span(ranges).subspan(part.first_range, part.range_count);
  }
};

struct LayerPlanOptions {
  std::span<const uint32_t> groups;    ///< Of a pass, in order.
  std::span<const Tier> tiers;         ///< By tensor.
  uint64_t part_bytes = ~uint64_t{0};  ///< Largest part.
  uint32_t alignment = 4096;           ///< Of tensors in a part.
};

/// Lays out the parts of a pass. A group larger than part_bytes is cut between tensors, and a
/// tensor larger than that between chunks, which hold whole rows where a row fits in one: nothing
/// is decoded twice. Tensors that stay decoded come with their group's first part, tensors that
/// are skipped in none; a group without tensors left has no part.
/// REQUIRES: part_bytes holds the largest chunk, aligned.
LayerPlan make_layer_plan(const Index& index, const LayerPlanOptions& options);

}  // namespace qload
