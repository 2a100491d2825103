#include "bench/codec/codec_comparison.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "bench/codec/codec_contender.h"
#include "bench/codec/codec_data.h"
#include "bench/codec/coded_set.h"
#include "bench/codec/processor_pin.h"
#include "bench/codec/thread_scaling.h"
#include "bench/load/progress_line.h"
#include "bench/load/round_order.h"
#include "format/base/format_text.h"
#include "format/base/histogram.h"
#include "format/base/try.h"
#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload::bench {
namespace {

/// One contender on the current data, and the row it fills.
struct Entry {
  const CodecContender* contender;
  CodedSet set;
  size_t row = 0;        ///< Of the table.
  uint32_t threads = 1;  ///< With kThreads.
  uint64_t passes = 0;   ///< With kThreads: each thread's, found by one thread.
};

struct Bench {
  const CodecComparisonOptions& options;
  std::vector<CodecContender> contenders;
  std::vector<uint32_t> processors;
  ProgressLine progress;
};

Result<std::vector<CodecDataKind>> choose_data(const CodecComparisonOptions& options) {
  QLOAD_TRY(std::vector<CodecDataKind> kinds, list_codec_data(options.models));
  const auto matches = [](const CodecDataKind& kind, const std::string& name) {
    return name == kind.name || name == (kind.synthetic != nullptr ? "synthetic" : "models");
  };
  for (const std::string& name : options.data) {
    if (std::ranges::none_of(kinds, [&](const auto& kind) { return matches(kind, name); })) {
      return Error(ErrorCode::kInvalidArgument, text("there is no data set ", quote(name)));
    }
  }
  std::erase_if(kinds, [&](const CodecDataKind& kind) {
    return !options.data.empty() && std::ranges::none_of(options.data, [&](const auto& name) {
      return matches(kind, name);
    });
  });
  return kinds;
}

CodecTable describe_data(const CodecData& data, uint64_t chunk_bytes) {
  CodecTable table;
  table.data = data.kind.name;
  table.description = data.kind.description;
  table.chunk_bytes = chunk_bytes;
  table.chunk_count = data.chunks.size() / data.copies;
  table.bytes = data.bytes;
  table.copies = data.copies;
  table.kept_share = data.kept_share;
  for (const DType dtype : data.dtypes) {
    table.dtypes += text(table.dtypes.empty() ? "" : ", ", find_dtype(dtype)->name);
  }
  std::vector<FilterId> filters;
  for (const DataChunk& chunk : data.chunks) {
    if (std::ranges::count(filters, chunk.filter)) continue;
    filters.push_back(chunk.filter);
    table.filters += text(table.filters.empty() ? "" : ", ", find_filter(chunk.filter)->name);
  }
  const auto bytes =
      std::span<const std::byte>(data.memory.bytes()).first(data.bytes / data.copies);
  table.entropy_bits =
      static_cast<double>(order_0_bits(count_bytes(bytes))) / static_cast<double>(bytes.size());
  return table;
}

/// Encodes, and decodes once with every byte compared.
Result<CodedSet> prove(const CodecData& data, const CodecContender& contender,
                       const CodecComparisonOptions& options) {
  QLOAD_TRY(CodedSet set, CodedSet::create(data, contender, options.gain_min));
  QLOAD_TRY(DecodeTarget target, DecodeTarget::create(set, options.working_set_bytes));
  DecodePass pass(set, target);
  QLOAD_CHECK(pass.run_checked(data));
  return set;
}

Result<std::vector<Entry>> make_entries(Bench& bench, const CodecData& data, CodecTable& table) {
  std::vector<Entry> entries;
  const bool threaded = bench.options.mode == CodecMode::kThreads;
  for (const CodecContender& contender : bench.contenders) {
    CodecRow row{.name = contender.name};
    if (contender.filtered && contender.codec == CodecId::kZstd && !data.any_filter()) {
      row.left_out = "this data has no filter: the same as without -split";
      table.rows.push_back(row);
      continue;
    }
    bench.progress.show(text(table.data, ": encode by ", contender.name));
    for (const uint32_t threads : threaded ? bench.options.threads : std::vector<uint32_t>{1}) {
      auto set = prove(data, contender, bench.options);
      if (!set) return set.error().at(contender.name);
      row.threads = threads;
      row.stored_bytes = set->stored_bytes;
      entries.push_back({&contender, std::move(set).value(), table.rows.size(), threads, 0});
      table.rows.push_back(row);
    }
  }
  return entries;
}

Result<PassSample> measure_threads(Bench& bench, Entry& entry) {
  const auto processors = std::span(bench.processors);
  const uint64_t target_bytes = bench.options.working_set_bytes;
  if (entry.passes == 0) {
    QLOAD_TRY(const PassSample one, time_threads(entry.set, processors.first(1), target_bytes, 1));
    entry.passes = static_cast<uint64_t>(
        std::max(1.0, std::ceil(bench.options.seconds_min / std::max(one.cpu_seconds, 1e-6))));
  }
  return time_threads(entry.set, processors.first(entry.threads), target_bytes, entry.passes);
}

Result<PassSample> measure(Bench& bench, const CodecData& data, Entry& entry,
                           DecodeTarget& target) {
  const double seconds = bench.options.seconds_min;
  if (bench.options.mode == CodecMode::kThreads) return measure_threads(bench, entry);
  if (bench.options.mode == CodecMode::kEncode) {
    EncodePass pass(data, *entry.contender, entry.set, bench.options.gain_min);
    return time_passes([&] { return pass.run(); }, seconds);
  }
  DecodePass pass(entry.set, target);
  return time_passes([&] { return pass.run(); }, seconds);
}

Result<CodecTable> run_table(Bench& bench, const CodecDataKind& kind, uint64_t chunk_bytes) {
  bench.progress.show(text(kind.name, ": make data"));
  QLOAD_TRY(const CodecData data,
            make_codec_data(kind, {.chunk_bytes = chunk_bytes,
                                   .working_set_bytes = bench.options.working_set_bytes}));
  CodecTable table = describe_data(data, chunk_bytes);
  QLOAD_TRY(std::vector<Entry> entries, make_entries(bench, data, table));
  if (entries.empty()) return table;
  QLOAD_TRY(DecodeTarget target,
            DecodeTarget::create(entries[0].set, bench.options.working_set_bytes));
  for (uint32_t round = 0; round < bench.options.rounds; ++round) {
    for (const size_t number : order_of_round(entries.size(), round)) {
      Entry& entry = entries[number];
      bench.progress.show(text(table.data, ": round ", round + 1, "/", bench.options.rounds, " ",
                               entry.contender->name));
      auto sample = measure(bench, data, entry, target);
      if (!sample) return sample.error().at(entry.contender->name);
      table.rows[entry.row].rounds.push_back(*sample);
    }
  }
  return table;
}

Result<std::vector<uint32_t>> choose_processors(const CodecComparisonOptions& options) {
  std::vector<uint32_t> processors = processors_by_core();
  if (options.processor) {
    const auto chosen = std::ranges::find(processors, *options.processor);
    if (chosen == processors.end()) {
      return Error(ErrorCode::kInvalidArgument,
                   text("processor ", *options.processor, " is not one this process may use"));
    }
    std::rotate(processors.begin(), chosen, chosen + 1);
  }
  uint32_t count = 1;
  for (const uint32_t threads : options.threads) count = std::max(count, threads);
  if (count > processors.size()) {
    return Error(ErrorCode::kInvalidArgument, text(count, " threads on ", processors.size(),
                                                   " processors; expected one for each"));
  }
  processors.resize(count);
  return processors;
}

CodecReport describe(const CodecComparisonOptions& options) {
  CodecReport report;
  report.machine = describe_machine(options.models.empty() ? "." : options.models);
  report.mode = options.mode;
  for (const LaneKernel* kernel : usable_lane_kernels()) report.kernels.emplace_back(kernel->name);
  report.chosen_kernel = chosen_lane_kernel().name;
  report.rounds = options.rounds;
  report.seconds_min = options.seconds_min;
  report.working_set_bytes = options.working_set_bytes;
  report.gain_min = options.gain_min;
  return report;
}

}  // namespace

Result<CodecReport> compare_codecs(const CodecComparisonOptions& options,
                                   const CodecComparisonEvents& events) {
  QLOAD_TRY(const std::vector<CodecDataKind> kinds, choose_data(options));
  CodecReport report = describe(options);
  QLOAD_TRY(report.processors, choose_processors(options));
  Bench bench{
      .options = options, .contenders = {}, .processors = report.processors, .progress = {}};
  QLOAD_TRY(bench.contenders,
            choose_codec_contenders(options.contenders, options.mode == CodecMode::kEncode));
  QLOAD_TRY(const ProcessorPin pin, ProcessorPin::create(report.processors[0]));
  events.on_start(report);
  for (const CodecDataKind& kind : kinds) {
    for (const uint64_t chunk_bytes : options.chunk_sizes) {
      auto table = run_table(bench, kind, chunk_bytes);
      if (!table) return table.error().at(kind.name);
      report.tables.push_back(std::move(table).value());
      bench.progress.show("");
      events.on_table(report);
    }
  }
  return report;
}

}  // namespace qload::bench
