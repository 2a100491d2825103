// What opening costs, in three forms.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "bench/load/machine.h"
#include "bench/load/report_table.h"
#include "bench/load/spread.h"

namespace qload::bench {

/// One way from nothing to one tensor. Seconds.
struct OpenSample {
  double open_seconds = 0;    ///< Model::open.
  double create_seconds = 0;  ///< Loader::create.
  double load_seconds = 0;    ///< load() of that tensor by name.
  double cached_share = 0;    ///< Of the container, just before.
  double total() const { return open_seconds + create_seconds + load_seconds; }
};

/// One tensor of one model, cold or warm.
struct OpenResult {
  bool cold = false;
  std::string tensor;
  uint64_t tensor_bytes = 0;
  std::vector<OpenSample> runs;
};

struct OpenedModel {
  std::string name;
  uint64_t tensor_count = 0;
  uint64_t container_bytes = 0;
  uint64_t index_bytes = 0;
  std::vector<OpenResult> results;
};

/// What a model of very many tiny tensors costs, from the page cache.
struct IndexCost {
  uint64_t tensor_count = 0;
  uint64_t tensor_bytes = 0;  ///< Of each tensor, decoded.
  uint64_t container_bytes = 0;
  uint64_t index_bytes = 0;
  double pack_seconds = 0;
  std::vector<double> open_seconds;
  std::vector<double> find_seconds;  ///< Of finding every name once, in a random order.
  std::vector<double> load_seconds;  ///< Of load() of all tensors.
  /// Growth of resident memory by each further open Model, all of them kept.
  std::vector<double> resident_bytes;
};

struct OpenReport {
  Machine machine;
  uint32_t runs = 0;
  uint32_t threads = 0;
  std::string cold_method;
  std::vector<OpenedModel> models;
  std::optional<IndexCost> index_cost;
};

/// Medians of `runs`, each figure by itself.
struct OpenSummary {
  double open_seconds = 0;
  double create_seconds = 0;
  double load_seconds = 0;
  Spread total;
};
OpenSummary summarize_open(const OpenResult& result);

void print_open(const OpenReport& report, TableStyle style, std::ostream& out);
std::string open_to_json(const OpenReport& report);

}  // namespace qload::bench
