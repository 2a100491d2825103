#include <nlohmann/json.hpp>

#include "bench/load/bench_report.h"
#include "bench/load/load_stages.h"
#include "bench/load/report_json.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

Json statistics_to_json(const LoadStatistics& s) {
  return {{"seconds", s.seconds},
          {"engine", io_backend_name(s.engine)},
          {"bound", load_stage_name(s.bound)},
          {"direct", s.direct},
          {"direct_refused", s.direct_refused},
          {"cached_file", s.cached_file},
          {"registered_files", s.registered_files},
          {"registered_buffers", s.registered_buffers},
          {"huge_pages", s.huge_pages},
          {"kernel_refusal", s.kernel_refusal},
          {"bytes_decoded", s.bytes_decoded},
          {"bytes_stored", s.bytes_stored},
          {"bytes_read", s.bytes_read},
          {"bytes_read_in_place", s.bytes_read_in_place},
          {"read_count", s.read_count},
          {"short_read_count", s.short_read_count},
          {"chunk_count", s.chunk_count},
          {"read_wait_seconds", s.read_wait_seconds},
          {"staging_wait_seconds", s.staging_wait_seconds},
          {"decode_busy_seconds", s.decode_busy_seconds},
          {"decode_wait_seconds", s.decode_wait_seconds},
          {"prefault_busy_seconds", s.prefault_busy_seconds},
          {"cache_read_seconds", s.cache_read_seconds},
          {"tuned_read_bytes", s.read_bytes},
          {"tuned_in_flight_bytes", s.in_flight_bytes},
          {"decode_threads", s.decode_threads},
          {"queue_depth", s.queue_depth},
          {"staging_bytes", s.staging_bytes},
          {"destination_bytes", s.destination_bytes},
          {"pinned_bytes", s.pinned_bytes}};
}

Json contender_to_json(const LoadReport& report, const TemperatureResult& temperature,
                       const ContenderResult& contender) {
  Json json = {
      {"name", contender.name}, {"description", contender.description}, {"plain", contender.plain}};
  if (!contender.left_out.empty()) {
    json["left_out"] = contender.left_out;
    return json;
  }
  const ContenderSummary summary = summarize(report, temperature, contender);
  json["seconds"] = spread_to_json(summary.seconds);
  json["cpu_seconds"] = spread_to_json(summary.cpu_seconds);
  json["decoded_bytes_per_second"] = summary.decoded_rate;
  json["speed_up_over_read_1"] = summary.speed_up;
  json["peak_bytes"] = summary.peak_bytes;
  json["median_run"] = summary.median_run;
  json["stages"] = stages_to_json(summarize_stages(contender.runs, report.tensor_bytes));
  for (const RunSample& run : contender.runs) json["runs"].push_back(run_to_json(run));
  return json;
}

Json roofline_to_json(const TemperatureResult& temperature) {
  Json json = {{"pairs", Json::array()}};
  std::vector<double> efficiency;
  for (const RooflinePair& pair : temperature.pairs) {
    efficiency.push_back(pair.efficiency());
    json["pairs"].push_back(pair_to_json(pair));
  }
  json["efficiency"] = spread_to_json(spread_of(std::move(efficiency)));
  return json;
}

Json temperature_to_json(const LoadReport& report, const TemperatureResult& temperature) {
  Json json = {{"temperature", temperature.cold ? "cold" : "warm"}, {"contenders", Json::array()}};
  for (const ContenderResult& contender : temperature.contenders) {
    json["contenders"].push_back(contender_to_json(report, temperature, contender));
  }
  if (!temperature.pairs.empty()) json["roofline"] = roofline_to_json(temperature);
  if (const auto best = compare_with_best_plain(temperature)) {
    json["best_plain"] = {{"name", best->name}, {"qload_speed_up", best->speed_up}};
  }
  return json;
}

}  // namespace

Json run_to_json(const RunSample& run) {
  Json json = {{"seconds", run.seconds},
               {"cpu_seconds", run.usage.cpu_seconds()},
               {"user_seconds", run.usage.user_seconds},
               {"system_seconds", run.usage.system_seconds},
               {"minor_faults", run.usage.minor_faults},
               {"major_faults", run.usage.major_faults},
               {"voluntary_switches", run.usage.voluntary_switches},
               {"involuntary_switches", run.usage.involuntary_switches},
               {"storage_read_bytes", run.usage.storage_read_bytes},
               {"peak_bytes", run.peak_bytes},
               {"cached_share_before", run.cached_share}};
  if (run.statistics) json["statistics"] = statistics_to_json(*run.statistics);
  return json;
}

Json stages_to_json(const StageSummary& summary) {
  return {{"seconds", summary.seconds},
          {"user_seconds", summary.user_seconds},
          {"system_seconds", summary.system_seconds},
          {"cpu_seconds_per_decoded_gb", summary.cpu_seconds_per_gb},
          {"minor_faults", summary.minor_faults},
          {"major_faults", summary.major_faults},
          {"voluntary_switches", summary.voluntary_switches},
          {"involuntary_switches", summary.involuntary_switches},
          {"storage_read_bytes", summary.storage_read_bytes},
          {"read_wait_seconds", summary.read_wait_seconds},
          {"staging_wait_seconds", summary.staging_wait_seconds},
          {"decode_busy_seconds", summary.decode_busy_seconds},
          {"decode_wait_seconds", summary.decode_wait_seconds},
          {"prefault_busy_seconds", summary.prefault_busy_seconds},
          {"cache_read_seconds", summary.cache_read_seconds},
          {"bound", load_stage_name(summary.bound)}};
}

Json pair_to_json(const RooflinePair& pair) {
  return {{"storage_bytes_per_second", pair.storage_rate},
          {"decode_bytes_per_second", pair.decode_rate},
          {"touch_bytes_per_second", pair.touch_rate},
          {"roofline_seconds", pair.seconds},
          {"decode_and_touch_seconds", pair.cpu_seconds},
          {"load_seconds", pair.load_seconds},
          {"efficiency", pair.efficiency()}};
}

std::string report_to_json(const LoadReport& report) {
  Json json = {{"benchmark", "load"},
               {"version", 1},
               {"machine", machine_to_json(report.machine)},
               {"model",
                {{"path", report.model},
                 {"tensor_count", report.tensor_count},
                 {"file_count", report.file_count},
                 {"tensor_bytes", report.tensor_bytes},
                 {"plain_bytes", report.plain_bytes},
                 {"compressed_bytes", report.compressed_bytes},
                 {"packed_bytes", report.packed_bytes},
                 {"pack_seconds", report.pack_seconds}}},
               {"method",
                {{"runs", report.runs},
                 {"threads", report.threads},
                 {"huge_pages", report.huge_pages},
                 {"cold_by", report.cold_method}}}};
  if (!report.throttle.empty()) {
    json["throttle"] = {{"method", report.throttle},
                        {"bytes_per_second", report.throttle_rate},
                        {"measured_bytes_per_second", report.throttle_measured_rate}};
  }
  if (report.sweep_rate > 0) {
    json["sweep"] = {{"read_bytes", report.sweep_shape.read_bytes},
                     {"depth", report.sweep_shape.depth},
                     {"bytes_per_second", report.sweep_rate},
                     {"method", report.sweep_method},
                     {"storage_seconds_max", report.roofline_seconds_max},
                     {"roofline_huge_pages", report.roofline_huge_pages},
                     {"decode_sampled_share", report.roofline_sampled_share}};
  }
  json["temperatures"] = Json::array();
  for (const TemperatureResult& temperature : report.temperatures) {
    json["temperatures"].push_back(temperature_to_json(report, temperature));
  }
  // File names may be any bytes; JSON wants UTF-8.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace qload::bench
