#include <nlohmann/json.hpp>

#include "bench/load/report_json.h"
#include "bench/paper/paper_model.h"
#include "bench/paper/paper_report.h"
#include "bench/paper/paper_table6.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

Json row_to_json(const ContenderResult& row) {
  Json json = {{"name", row.name}, {"description", row.description}, {"plain", row.plain}};
  if (!row.left_out.empty()) {
    json["left_out"] = row.left_out;
    return json;
  }
  json["seconds"] = spread_to_json(seconds_of_row(row));
  json["runs"] = Json::array();
  for (const RunSample& run : row.runs) {
    Json sample = {{"seconds", run.seconds},
                   {"cpu_seconds", run.usage.cpu_seconds()},
                   {"peak_bytes", run.peak_bytes},
                   {"cached_share_before", run.cached_share}};
    if (run.statistics) {
      const LoadStatistics& statistics = *run.statistics;
      sample["statistics"] = {{"seconds", statistics.seconds},
                              {"engine", io_backend_name(statistics.engine)},
                              {"direct", statistics.direct},
                              {"bound", load_stage_name(statistics.bound)},
                              {"bytes_read", statistics.bytes_read}};
    }
    json["runs"].push_back(std::move(sample));
  }
  return json;
}

Json result_to_json(const PaperResult& result) {
  Json json = {{"name", result.name}, {"plain_bytes", result.plain_bytes}};
  if (!result.left_out.empty()) {
    json["left_out"] = result.left_out;
    return json;
  }
  json["tensor_count"] = result.tensor_count;
  json["tensor_bytes"] = result.tensor_bytes;
  json["compressed_bytes"] = result.compressed_bytes;
  json["packed_bytes"] = result.packed_bytes;
  json["reused"] = result.reused;
  json["make_seconds"] = result.make_seconds;
  json["pack_seconds"] = result.pack_seconds;
  if (result.piece_count > 0) {
    json["piece_count"] = result.piece_count;
    json["arena_bytes"] = result.arena_bytes;
  }
  if (result.throttle_measured_rate > 0) {
    json["throttle_measured_bytes_per_second"] = result.throttle_measured_rate;
  }
  json["rows"] = Json::array();
  for (const ContenderResult& row : result.rows) json["rows"].push_back(row_to_json(row));
  json["fastest_plain_row"] = fastest_plain_row(result);
  json["load_time_saved"] = Json::array();
  for (const Reduction& reduction : reductions_of(result)) {
    json["load_time_saved"].push_back({{"row", reduction.row},
                                       {"against", reduction.against},
                                       {"share", spread_to_json(reduction.share)}});
  }
  return json;
}

// Everything that is the paper's, and nothing else.
Json quoted_to_json() {
  Json json = {{"source", kPaperSource},
               {"device", kPaperDevice},
               {"zstd_ratio_of", "Table 3, SmoothQuant INT8 by zstd"},
               {"models", Json::array()}};
  for (const QuotedModel& quoted : quoted_table6()) {
    json["models"].push_back({{"name", quoted.model},
                              {"mmap_before_seconds", quoted.mmap_before_seconds},
                              {"mmap_after_seconds", quoted.mmap_after_seconds},
                              {"read_before_seconds", quoted.read_before_seconds},
                              {"read_after_seconds", quoted.read_after_seconds},
                              {"mmap_saved_share", quoted.mmap_reduction()},
                              {"read_saved_share", quoted.read_reduction()},
                              {"zstd_ratio", quoted.zstd_ratio}});
  }
  return json;
}

}  // namespace

std::string paper_report_to_json(const PaperReport& report) {
  Json json = {{"benchmark", "paper"},
               {"version", 1},
               {"table", 6},
               {"machine", machine_to_json(report.machine)},
               {"method",
                {{"runs", report.runs},
                 {"threads", report.threads},
                 {"huge_pages", report.huge_pages},
                 {"stream_only", report.stream_only},
                 {"scheme", encode::encoding_name(kPaperScheme)},
                 {"seed", kPaperSeed}}},
               {"measured", Json::array()},
               {"quoted", quoted_to_json()}};
  if (report.rate > 0) {
    json["method"]["bytes_per_second"] = report.rate;
    json["method"]["throttle"] = report.throttle;
  }
  for (const PaperResult& result : report.models) {
    json["measured"].push_back(result_to_json(result));
  }
  return json.dump(2);
}

}  // namespace qload::bench
