#include "tools/qrun/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "tools/qrun/vector_math.h"

namespace qload::qrun {

Attention::Attention(const ModelConfig& config, ThreadTeam& team, const RowKernels& kernels,
                     KeyValueCache& cache)
    : config_(config), team_(team), kernels_(kernels), cache_(cache) {
  scores_.resize(team.thread_count());
  for (std::vector<float>& scores : scores_) scores.resize(cache.position_count());
}

void Attention::compute(uint32_t layer, uint32_t first_position, Batch<const float> queries,
                        Batch<float> out) {
  const uint64_t task_count = queries.vector_count * config_.head_count;
  std::atomic<uint64_t> next_task = 0;
  team_.run([&](uint32_t worker) {
    for (uint64_t task = next_task++; task < task_count; task = next_task++) {
      const auto token = static_cast<uint32_t>(task / config_.head_count);
      const auto head = static_cast<uint32_t>(task % config_.head_count);
      const size_t place = static_cast<size_t>(head) * config_.head_size;
      compute_head(layer, first_position + token, head, queries.vector(token) + place,
                   std::span(out.vector(token) + place, config_.head_size), scores_[worker]);
    }
  });
}

void Attention::compute_head(uint32_t layer, uint32_t position, uint32_t head, const float* query,
                             std::span<float> out, std::span<float> scores) {
  const uint32_t heads_of_group = config_.head_count / config_.key_value_head_count;
  const size_t place = static_cast<size_t>(head / heads_of_group) * config_.head_size;
  scores = scores.first(position + 1);
  // The keys of one head are rows, one cache entry apart: a matrix like any other.
  kernels_.f32(reinterpret_cast<const std::byte*>(cache_.key(layer, 0).data() + place),
               cache_.size() * sizeof(float), scores.size(), query, config_.head_size,
               scores.data());
  const float factor = 1 / std::sqrt(static_cast<float>(config_.head_size));
  for (float& score : scores) score *= factor;
  softmax(scores);
  std::ranges::fill(out, 0.0f);
  for (uint32_t i = 0; i < scores.size(); ++i) {
    add_scaled(out, scores[i], cache_.value(layer, i).subspan(place, config_.head_size));
  }
}

}  // namespace qload::qrun
