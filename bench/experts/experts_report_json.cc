#include <nlohmann/json.hpp>

#include "bench/experts/experts_report.h"
#include "bench/load/report_json.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

Json row_to_json(const ExpertsReport& report, const ExpertsRow& row) {
  Json json = {{"name", row.name},
               {"seconds_per_token", spread_to_json(token_spread(row, report.tokens))},
               {"speedup_over_best_mmap", speedup_over_mmap(report, row)},
               {"runs", Json::array()}};
  for (const ExpertsRun& run : row.runs) {
    Json one = {{"seconds", run.seconds},
                {"token_median_seconds", run.token_median_seconds},
                {"storage_bytes", run.storage_bytes},
                {"peak_bytes", run.peak_bytes}};
    if (row.cache) {
      one["hits"] = run.hits;
      one["waited_hits"] = run.waited_hits;
      one["misses"] = run.misses;
      one["wait_seconds"] = run.wait_seconds;
    }
    json["runs"].push_back(std::move(one));
  }
  return json;
}

}  // namespace

std::string experts_to_json(const ExpertsReport& report) {
  Json json = {
      {"benchmark", "experts"},
      {"version", 1},
      {"machine", machine_to_json(report.machine)},
      {"model",
       {{"layers", report.shape.layers},
        {"experts", report.shape.experts},
        {"expert_bytes", report.shape.expert_bytes()},
        {"decoded_bytes", report.shape.decoded_bytes()},
        {"container_bytes", report.container_bytes}}},
      {"accesses",
       {{"tokens", report.tokens}, {"active", report.active}, {"exponent", report.exponent}}},
      {"threads", report.threads},
      {"budget_bytes", report.budget_bytes},
      {"capacity_bytes", report.capacity_bytes},
      {"limit_bytes", report.limit_bytes},
      {"limit", report.limit},
      {"throttle_rate", report.throttle_rate},
      {"measured_rate", report.measured_rate},
      {"ideal_lru", {{"hits", report.ideal_hits}, {"misses", report.ideal_misses}}},
      {"results", Json::array()}};
  for (const ExpertsRow& row : report.rows) json["results"].push_back(row_to_json(report, row));
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace qload::bench
