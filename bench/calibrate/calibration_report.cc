#include "bench/calibrate/calibration_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/load/report_json.h"
#include "bench/load/report_table.h"
#include "bench/load/storage_reader.h"
#include "format/base/format_text.h"
#include "tools/profile/profile_json.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

std::string rate_text(double rate) { return print("%.3g GB/s", rate / 1e9); }

/// "2.61 GB/s (2.55 to 2.70)"
std::string spread_text(const Rate& rate) {
  return text(rate_text(rate.median), print(" (%.3g to %.3g)", rate.min / 1e9, rate.max / 1e9));
}

std::string shape_text(const ReadShape& shape) {
  return text(shape.read_bytes >> 10, " KiB, ", shape.depth, " in flight");
}

void print_storage(const StorageCalibration& storage, Facts& facts) {
  facts.add(
      "read by",
      storage.method + (storage.direct ? "" : ": O_DIRECT is refused here, caches are dropped"));
  if (!storage.throttle.empty()) facts.add("limited by", storage.throttle);
  facts.add("sequential", text(spread_text(storage.sequential), ", ", shape_text(storage.shape)));
  facts.add("4 KiB read",
            print("%.0f us (%.0f to %.0f)", storage.latency_seconds.median * 1e6,
                  storage.latency_seconds.min * 1e6, storage.latency_seconds.max * 1e6));
  facts.add("cache, cold", spread_text(storage.buffered_cold));
  facts.add("cache, warm", spread_text(storage.cached));
}

void print_sweep(const StorageCalibration& storage, std::ostream& out) {
  out << "\nsequential reads, GB/s by size and reads in flight\n";
  std::vector<std::string> titles = {"size"};
  for (const uint32_t depth : kSweepDepths) titles.push_back(std::to_string(depth));
  print_titles(titles, TableStyle::kText, out);
  for (const uint32_t read_bytes : kSweepReadBytes) {
    std::vector<std::string> row = {text(read_bytes >> 10, " KiB")};
    for (const uint32_t depth : kSweepDepths) {
      const auto found = std::ranges::find_if(storage.sweep, [&](const StorageSweepPoint& point) {
        return point.shape.read_bytes == read_bytes && point.shape.depth == depth;
      });
      row.push_back(found == storage.sweep.end() ? "" : print("%.3g", found->rate / 1e9));
    }
    print_row(row, TableStyle::kText, out);
  }
}

void print_decode(const Calibration& calibration, std::ostream& out) {
  out << "\ndecoding, decoded GB/s; * is what a load here uses\n";
  print_titles({"weights", "codec", "threads", "ratio", "GB/s", "min", "max", "modelled"},
               TableStyle::kText, out);
  for (const DecodeCalibration& row : calibration.decode) {
    print_row({row.data, row.contender + (row.used ? " *" : ""), std::to_string(row.threads),
               print("%.3f", row.ratio), print("%.3g", row.rate.median / 1e9),
               print("%.3g", row.rate.min / 1e9), print("%.3g", row.rate.max / 1e9),
               row.used && row.threads == 1 ? print("%.3g", row.modelled_rate / 1e9) : ""},
              TableStyle::kText, out);
  }
}

Json shape_json(const ReadShape& shape) {
  return {{"read_bytes", shape.read_bytes}, {"depth", shape.depth}};
}

Json storage_json(const StorageCalibration& storage) {
  Json sweep = Json::array();
  for (const StorageSweepPoint& point : storage.sweep) {
    Json entry = shape_json(point.shape);
    entry["bytes_per_second"] = point.rate;
    sweep.push_back(std::move(entry));
  }
  return {{"method", storage.method},
          {"direct", storage.direct},
          {"throttle", storage.throttle},
          {"file_bytes", storage.file_bytes},
          {"best", shape_json(storage.shape)},
          {"sequential", spread_to_json(storage.sequential)},
          {"latency_seconds", spread_to_json(storage.latency_seconds)},
          {"buffered_cold", spread_to_json(storage.buffered_cold)},
          {"page_cache", spread_to_json(storage.cached)},
          {"sweep", std::move(sweep)}};
}

Json decode_json(const DecodeCalibration& row) {
  return {{"data", row.data},
          {"contender", row.contender},
          {"used", row.used},
          {"threads", row.threads},
          {"ratio", row.ratio},
          {"bytes_per_second", spread_to_json(row.rate)},
          {"modelled_bytes_per_second", row.modelled_rate}};
}

}  // namespace

void print_calibration(const Calibration& calibration, std::ostream& out) {
  Facts facts(out, TableStyle::kText);
  print_machine(calibration.machine, facts);
  facts.add("storage", calibration.machine.file_system);
  print_storage(calibration.storage, facts);
  const MemoryCalibration& memory = calibration.memory;
  const TargetDevice& device = calibration.profile.device;
  facts.add("touch, small", spread_text(memory.touch_small));
  if (memory.touch_huge.median > 0) {
    facts.add("touch, huge", spread_text(memory.touch_huge));
  }
  facts.add("copy", spread_text(memory.copy));
  facts.add("checksum", spread_text(memory.checksum));
  facts.add("threads",
            print("%u, together %.2f times one", device.decode_threads, full_threads(device)));
  facts.add("merge planes", rate_text(device.planes_rate));
  facts.add("merge blocks", rate_text(device.blocks_rate));
  facts.add("overhead",
            print("%.2f ms (%.2f to %.2f)", calibration.overhead_seconds.median * 1e3,
                  calibration.overhead_seconds.min * 1e3, calibration.overhead_seconds.max * 1e3));
  facts.add("took", print("%.1f s", calibration.seconds));
  print_sweep(calibration.storage, out);
  print_decode(calibration, out);
}

std::string calibration_to_json(const Calibration& calibration) {
  Json json = Json::parse(tools::profile_json(calibration.profile).render());
  json["machine"] = machine_to_json(calibration.machine);
  Json measurements;
  measurements["seconds"] = calibration.seconds;
  measurements["storage"] = storage_json(calibration.storage);
  measurements["decode"] = Json::array();
  for (const DecodeCalibration& row : calibration.decode) {
    measurements["decode"].push_back(decode_json(row));
  }
  const MemoryCalibration& memory = calibration.memory;
  measurements["memory"] = {{"touch_small", spread_to_json(memory.touch_small)},
                            {"touch_huge", spread_to_json(memory.touch_huge)},
                            {"copy", spread_to_json(memory.copy)},
                            {"checksum", spread_to_json(memory.checksum)}};
  measurements["overhead_seconds"] = spread_to_json(calibration.overhead_seconds);
  json["measurements"] = std::move(measurements);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace qload::bench
