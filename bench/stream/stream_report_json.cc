#include <nlohmann/json.hpp>

#include "bench/load/report_json.h"
#include "bench/stream/pass_child.h"
#include "bench/stream/stream_report.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

Json summary_to_json(const PassSummary& summary) {
  Json json = {{"seconds", spread_to_json(summary.seconds)},
               {"wait_seconds", summary.wait_seconds},
               {"request_seconds", summary.request_seconds},
               {"compute_seconds", summary.compute_seconds},
               {"bytes_read", summary.bytes_read},
               {"overlap", nullptr},
               {"cpu_seconds_per_gb", summary.cpu_seconds_per_gb},
               {"resident_bytes", summary.resident_bytes},
               {"peak_bytes", summary.peak_bytes}};
  if (summary.overlap) json["overlap"] = *summary.overlap;
  return json;
}

Json bound_to_json(const BoundSummary& bound) {
  return {{"bound_seconds", bound.bound_seconds},
          {"beyond", spread_to_json(bound.beyond)},
          {"predicted_seconds", bound.facts.seconds_per_pass},
          {"predicted_ratio", bound.predicted_ratio}};
}

Json row_to_json(const StreamRow& row, uint64_t tensor_bytes) {
  Json json = {{"contender", row.contender}};
  if (!row.left_out.empty()) json["left_out"] = row.left_out;
  if (row.runs.empty()) return json;
  json["summary"] = summary_to_json(summarize_passes(row, tensor_bytes));
  if (const auto bound = summarize_bound(row)) json["bound"] = bound_to_json(*bound);
  json["runs"] = Json::array();
  for (const StreamRun& run : row.runs) {
    Json one = Json::parse(run_to_text(run.passes));
    one["peak_bytes"] = run.peak_bytes;
    if (run.storage_rate > 0) one["storage_bytes_per_second"] = run.storage_rate;
    json["runs"].push_back(std::move(one));
  }
  return json;
}

Json point_to_json(const StreamPoint& point, uint64_t tensor_bytes) {
  Json json = {{"memory", point.memory},
               {"limit_bytes", point.limit_bytes},
               {"budget_bytes", point.budget_bytes},
               {"staging_bytes", point.staging_bytes}};
  if (!point.left_out.empty()) {
    json["left_out"] = point.left_out;
    return json;
  }
  if (const auto best = compare_with_best_other(point)) {
    json["best_other"] = {{"contender", best->contender}, {"speed_up", best->speed_up}};
  }
  json["rows"] = Json::array();
  for (const StreamRow& row : point.rows) json["rows"].push_back(row_to_json(row, tensor_bytes));
  return json;
}

Json rate_to_json(const StreamRate& rate, uint64_t tensor_bytes) {
  Json json = {{"throttle_bytes_per_second", rate.throttle_rate}};
  if (rate.throttle_rate > 0) {
    json["measured_bytes_per_second"] = rate.measured_rate;
    json["method"] = rate.throttle;
  }
  if (!rate.left_out.empty()) {
    json["left_out"] = rate.left_out;
    return json;
  }
  json["planner"] = {{"storage_bytes_per_second", rate.rates.storage_rate},
                     {"decoded_bytes_per_second", rate.rates.decode_rate},
                     {"compute_seconds", rate.rates.compute_seconds}};
  json["points"] = Json::array();
  for (const StreamPoint& point : rate.points) {
    json["points"].push_back(point_to_json(point, tensor_bytes));
  }
  return json;
}

}  // namespace

std::string stream_report_to_json(const StreamReport& report) {
  Json json = {{"benchmark", "stream"},
               {"version", 1},
               {"machine", machine_to_json(report.machine)},
               {"model",
                {{"path", report.model},
                 {"tensor_count", report.tensor_count},
                 {"group_count", report.layer_count},
                 {"tensor_bytes", report.tensor_bytes},
                 {"packed_bytes", report.packed_bytes}}},
               {"method",
                {{"runs", report.runs},
                 {"passes", report.passes},
                 {"threads", report.threads},
                 {"compute_seconds", report.compute_seconds},
                 {"overhead_bytes", report.overhead_bytes},
                 {"memory_limit", report.limit_method},
                 {"rates_from", report.rates_from}}},
               {"rates", Json::array()}};
  for (const StreamRate& rate : report.rates) {
    json["rates"].push_back(rate_to_json(rate, report.tensor_bytes));
  }
  // File names may be any bytes; JSON wants UTF-8.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace qload::bench
