#include <nlohmann/json.hpp>

#include "bench/codec/codec_report.h"
#include "bench/load/report_json.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

const char* mode_name(CodecMode mode) {
  switch (mode) {
    case CodecMode::kDecode:
      return "decode";
    case CodecMode::kEncode:
      return "encode";
    case CodecMode::kThreads:
      return "threads";
  }
  return "";
}

Json row_to_json(const CodecReport& report, const CodecTable& table, const CodecRow& row) {
  Json json = {{"name", row.name}, {"threads", row.threads}};
  if (!row.left_out.empty()) {
    json["left_out"] = row.left_out;
    return json;
  }
  const CodecSummary summary = summarize(report, table, row);
  json["stored_bytes"] = row.stored_bytes;
  json["ratio"] = summary.ratio;
  json["bytes_per_second"] = spread_to_json(summary.rate);
  json["over_zstd_1"] = summary.over_baseline;
  json["over_memcpy"] = summary.over_copy;
  json["busy_share"] = summary.busy_share;
  if (report.mode == CodecMode::kThreads) json["over_fewest_threads"] = summary.over_fewest;
  for (const PassSample& sample : row.rounds) {
    json["rounds"].push_back({{"passes", sample.passes},
                              {"cpu_seconds", sample.cpu_seconds},
                              {"wall_seconds", sample.wall_seconds}});
  }
  return json;
}

Json table_to_json(const CodecReport& report, const CodecTable& table) {
  Json json = {{"data", table.data},
               {"description", table.description},
               {"dtypes", table.dtypes},
               {"filters", table.filters},
               {"chunk_bytes", table.chunk_bytes},
               {"chunk_count", table.chunk_count},
               {"bytes", table.bytes},
               {"copies", table.copies},
               {"kept_share", table.kept_share},
               {"entropy_bits", table.entropy_bits},
               {"contenders", Json::array()}};
  for (const CodecRow& row : table.rows) {
    json["contenders"].push_back(row_to_json(report, table, row));
  }
  return json;
}

}  // namespace

std::string codec_report_to_json(const CodecReport& report) {
  Json json = {{"benchmark", "codecs"},
               {"version", 1},
               {"machine", machine_to_json(report.machine)},
               {"lane_kernels", report.kernels},
               {"chosen_lane_kernel", report.chosen_kernel},
               {"method",
                {{"mode", mode_name(report.mode)},
                 {"clock", report.mode == CodecMode::kThreads ? "wall" : "thread cpu"},
                 {"rounds", report.rounds},
                 {"seconds_min", report.seconds_min},
                 {"working_set_bytes", report.working_set_bytes},
                 {"gain_min", report.gain_min},
                 {"processors", report.processors}}},
               {"tables", Json::array()}};
  for (const CodecTable& table : report.tables) {
    json["tables"].push_back(table_to_json(report, table));
  }
  // File names may be any bytes; JSON wants UTF-8.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace qload::bench
