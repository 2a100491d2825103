#include <nlohmann/json.hpp>
#include <utility>

#include "bench/load/report_json.h"
#include "bench/open/open_report.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

Json result_to_json(const OpenResult& result) {
  const OpenSummary summary = summarize_open(result);
  Json json = {{"temperature", result.cold ? "cold" : "warm"},
               {"tensor", result.tensor},
               {"tensor_bytes", result.tensor_bytes},
               {"open_seconds", summary.open_seconds},
               {"create_seconds", summary.create_seconds},
               {"load_seconds", summary.load_seconds},
               {"total_seconds", spread_to_json(summary.total)},
               {"runs", Json::array()}};
  for (const OpenSample& run : result.runs) {
    json["runs"].push_back({{"open_seconds", run.open_seconds},
                            {"create_seconds", run.create_seconds},
                            {"load_seconds", run.load_seconds},
                            {"cached_share_before", run.cached_share}});
  }
  return json;
}

Json model_to_json(const OpenedModel& model) {
  Json json = {{"path", model.name},
               {"tensor_count", model.tensor_count},
               {"container_bytes", model.container_bytes},
               {"index_bytes", model.index_bytes},
               {"results", Json::array()}};
  for (const OpenResult& result : model.results) json["results"].push_back(result_to_json(result));
  return json;
}

Json cost_to_json(const IndexCost& cost) {
  return {{"tensor_count", cost.tensor_count},
          {"tensor_bytes", cost.tensor_bytes},
          {"container_bytes", cost.container_bytes},
          {"index_bytes", cost.index_bytes},
          {"pack_seconds", cost.pack_seconds},
          {"open_seconds", spread_to_json(spread_of(cost.open_seconds))},
          {"find_seconds", spread_to_json(spread_of(cost.find_seconds))},
          {"load_seconds", spread_to_json(spread_of(cost.load_seconds))},
          {"resident_bytes", spread_to_json(spread_of(cost.resident_bytes))}};
}

}  // namespace

std::string open_to_json(const OpenReport& report) {
  Json json = {
      {"benchmark", "open"},
      {"version", 1},
      {"machine", machine_to_json(report.machine)},
      {"method",
       {{"runs", report.runs}, {"threads", report.threads}, {"cold_by", report.cold_method}}},
      {"models", Json::array()}};
  for (const OpenedModel& model : report.models) json["models"].push_back(model_to_json(model));
  if (report.index_cost) json["index_cost"] = cost_to_json(*report.index_cost);
  // File and tensor names may be any bytes; JSON wants UTF-8.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace qload::bench
