// Which experts each token needs, and what an ideal cache would hit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bench/experts/ideal_lru.h"
#include "bench/experts/moe_model.h"
#include "bench/experts/zipf.h"

namespace qload::bench {

/// One step of a token: the experts that one layer uses.
struct ExpertStep {
  uint32_t layer = 0;
  std::vector<uint32_t> experts;  ///< All different.
};

struct ExpertTrace {
  uint32_t layers = 0;
  std::vector<ExpertStep> steps;  ///< `layers` of them for each token.

  uint64_t token_count() const { return layers == 0 ? 0 : steps.size() / layers; }
  std::span<const ExpertStep> token(uint64_t number) const {
    return std::span(steps).subspan(number * layers, layers);
  }
};

/// `tokens` tokens, each through all layers, `active` experts in each by Zipf's law. Every layer
/// has ranks of its own.
inline ExpertTrace make_expert_trace(const MoeShape& shape, uint32_t tokens, uint32_t active,
                                     double exponent, uint64_t seed) {
  std::vector<ZipfSource> routers;
  for (uint32_t layer = 0; layer < shape.layers; ++layer) {
    routers.emplace_back(shape.experts, exponent, seed * 1000 + layer);
  }
  ExpertTrace trace{.layers = shape.layers, .steps = {}};
  for (uint32_t token = 0; token < tokens; ++token) {
    for (uint32_t layer = 0; layer < shape.layers; ++layer) {
      trace.steps.push_back({layer, routers[layer].next_set(active)});
    }
  }
  return trace;
}

/// An ideal cache of that many bytes after the whole trace.
inline IdealLru run_ideal(const ExpertTrace& trace, const MoeShape& shape,
                          uint64_t capacity_bytes) {
  IdealLru ideal(capacity_bytes);
  for (const ExpertStep& step : trace.steps) {
    std::vector<IdealLru::Item> items;
    for (const uint32_t expert : step.experts) {
      items.push_back({step.layer * shape.experts + expert, shape.expert_bytes()});
    }
    ideal.access(items);
  }
  return ideal;
}

}  // namespace qload::bench
