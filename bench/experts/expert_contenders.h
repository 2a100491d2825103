// Ways to have the experts of a token at hand: the cache, with and without hints, and mmap.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "bench/experts/expert_trace.h"
#include "bench/experts/moe_model.h"
#include "qload/cache.h"
#include "qload/options.h"
#include "qload/result.h"

namespace qload::bench {

/// What all contenders work on.
struct ExpertSetting {
  MoeShape shape;
  std::filesystem::path plain;
  std::filesystem::path packed;
  uint64_t budget_bytes = 0;
  LoaderOptions loader = {};
};

/// Opens on creation, outside of timed regions. One thread calls it.
class ExpertContender {
 public:
  virtual ~ExpertContender() = default;
  /// Reads every byte of the experts of `step` and compares their digests; kCorrupt for a wrong
  /// answer. `next` is what comes after it, or null.
  virtual Status use(const ExpertStep& step, const ExpertStep* next) = 0;
  /// Of the cache; nothing for others.
  virtual std::optional<CacheStatistics> statistics() const { return std::nullopt; }
};

struct ExpertContenderKind {
  std::string_view name;
  bool packed;  ///< Reads the container.
  std::string_view description;
  Result<std::unique_ptr<ExpertContender>> (*make)(const ExpertSetting&);
};
std::span<const ExpertContenderKind> all_expert_contenders();

}  // namespace qload::bench
