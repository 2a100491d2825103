#include <nlohmann/json.hpp>

#include "bench/load/load_stages.h"
#include "bench/load/report_json.h"
#include "bench/sweep/sweep_report.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

Json point_to_json(const SweepPoint& point, uint64_t decoded_bytes) {
  Json json = {{"staging_bytes", point.staging_bytes}, {"threads", point.threads}};
  if (!point.left_out.empty()) {
    json["left_out"] = point.left_out;
    return json;
  }
  std::vector<double> seconds;
  for (const RunSample& run : point.runs) seconds.push_back(run.seconds);
  json["seconds"] = spread_to_json(spread_of(std::move(seconds)));
  json["efficiency"] = spread_to_json(efficiency_of(point.pairs));
  json["peak_beyond_decoded_bytes"] = peak_beyond_decoded(point.runs, decoded_bytes);
  json["stages"] = stages_to_json(summarize_stages(point.runs, decoded_bytes));
  json["runs"] = Json::array();
  for (const RunSample& run : point.runs) json["runs"].push_back(run_to_json(run));
  json["pairs"] = Json::array();
  for (const RooflinePair& pair : point.pairs) json["pairs"].push_back(pair_to_json(pair));
  return json;
}

Json rate_to_json(const SweepRate& rate, uint64_t decoded_bytes) {
  Json json = {{"throttle_bytes_per_second", rate.throttle_rate}};
  if (rate.throttle_rate > 0) {
    json["measured_bytes_per_second"] = rate.measured_rate;
    json["method"] = rate.throttle;
  }
  if (!rate.left_out.empty()) {
    json["left_out"] = rate.left_out;
    return json;
  }
  json["points"] = Json::array();
  for (const SweepPoint& point : rate.points) {
    json["points"].push_back(point_to_json(point, decoded_bytes));
  }
  return json;
}

}  // namespace

std::string sweep_to_json(const SweepReport& report) {
  Json json = {{"benchmark", "sweep"},
               {"version", 1},
               {"machine", machine_to_json(report.machine)},
               {"model",
                {{"path", report.model},
                 {"tensor_count", report.tensor_count},
                 {"tensor_bytes", report.tensor_bytes},
                 {"packed_bytes", report.packed_bytes}}},
               {"method", {{"runs", report.runs}, {"cold_by", report.cold_method}}},
               {"roofline",
                {{"read_bytes", report.storage_shape.read_bytes},
                 {"depth", report.storage_shape.depth},
                 {"bytes_per_second", report.storage_rate},
                 {"method", report.storage_method},
                 {"storage_seconds_max", report.roofline_seconds_max},
                 {"decode_sampled_share", report.roofline_sampled_share}}},
               {"rates", Json::array()}};
  for (const SweepRate& rate : report.rates) {
    json["rates"].push_back(rate_to_json(rate, report.tensor_bytes));
  }
  // File names may be any bytes; JSON wants UTF-8.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace qload::bench
