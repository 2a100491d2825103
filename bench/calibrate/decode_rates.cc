#include "bench/calibrate/decode_rates.h"

#include <algorithm>
#include <array>
#include <optional>

#include "bench/codec/codec_contender.h"
#include "bench/codec/codec_data.h"
#include "bench/codec/coded_set.h"
#include "bench/codec/processor_pin.h"
#include "bench/codec/thread_scaling.h"
#include "bench/codec/timed_passes.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload::bench {
namespace {

// Chunks of the default size; the set does not fit a core's own caches, as in a load.
constexpr CodecDataShape kShape = {.chunk_bytes = 1u << 20, .working_set_bytes = 16u << 20};
constexpr CodecDataShape kQuickShape = {.chunk_bytes = 1u << 20, .working_set_bytes = 8u << 20};
constexpr double kGainMin = 0.02;  // PackOptions' own.
constexpr double kSeconds = 0.04;
constexpr double kQuickSeconds = 0.015;
constexpr uint32_t kRounds = 5;
constexpr uint32_t kQuickRounds = 3;
// What is measured as less than nothing costs as little as this.
constexpr double kMergeRateMax = 1e12;
// The codecs' rates are those of these two kinds: the most and the least compressible INT8.
constexpr std::array<std::string_view, 2> kPlainData = {"int8-5.0", "int8-channel"};
constexpr std::array<std::string_view, 2> kPlanesData = {"bf16", "f32"};
constexpr std::array<std::string_view, 2> kBlocksData = {"q8_0", "q4_k"};

bool holds(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

/// One contender on one kind of weights.
struct Measured {
  const CodecContender* contender;
  std::string data;
  CodedSet set;
  DecodeCalibration row;
  double seconds_per_byte = 0;  // Of one thread.
};

class DecodeMeasurement {
 public:
  explicit DecodeMeasurement(const DecodeRatesJob& job)
      : job_(job), all_(all_codec_contenders()), processors_(processors_by_core()) {}

  Result<DecodeRates> run() {
    for (const auto& names : {kPlainData, kPlanesData, kBlocksData}) {
      for (const std::string_view name : names) QLOAD_CHECK(measure_data(name));
    }
    QLOAD_CHECK(measure_threads());
    solve();
    for (Measured& measured : measured_) {
      measured.row.modelled_rate = modelled_rate(measured);
      rates_.rows.push_back(measured.row);
    }
    for (const DecodeCalibration& row : threaded_) rates_.rows.push_back(row);
    return std::move(rates_);
  }

 private:
  static bool is_used(const CodecContender& contender) {
    return contender.codec != CodecId::kLaneHuffman || contender.kernel == &chosen_lane_kernel();
  }

  /// What a profile needs, and with time every kernel.
  bool is_wanted(const CodecContender& contender, std::string_view data) const {
    const bool plain = holds(kPlainData, data);
    if (contender.codec == CodecId::kLaneHuffman) {
      // The scalar kernel is a reference, a hundred times as slow: once is enough.
      const bool reference = contender.kernel == usable_lane_kernels().front();
      return is_used(contender) || (!job_.quick && (!reference || data == kPlainData[0]));
    }
    return plain && (contender.name == kCopyName || contender.name == "zstd-litonly" ||
                     contender.name == "fse");
  }

  Status measure_data(std::string_view name) {
    QLOAD_TRY(const std::vector<CodecDataKind> kinds, list_codec_data({}));
    const auto kind = std::ranges::find(kinds, name, &CodecDataKind::name);
    if (kind == kinds.end()) {
      return Error(ErrorCode::kUnsupported, text("no synthetic weights named ", name));
    }
    QLOAD_TRY(const CodecData data, make_codec_data(*kind, job_.quick ? kQuickShape : kShape));
    QLOAD_TRY(const ProcessorPin pin, ProcessorPin::create(processors_[0]));
    for (const CodecContender& contender : all_) {
      if (!is_wanted(contender, name)) continue;
      if (job_.on_step) job_.on_step(text("decode: ", name, ", ", contender.name));
      QLOAD_CHECK(measure(data, contender));
    }
    return Ok{};
  }

  Status measure(const CodecData& data, const CodecContender& contender) {
    Measured measured{.contender = &contender, .data = data.kind.name};
    QLOAD_TRY(measured.set, CodedSet::create(data, contender, kGainMin));
    QLOAD_TRY(DecodeTarget target, DecodeTarget::create(measured.set, measured.set.decoded_bytes));
    DecodePass pass(measured.set, target);
    const Status checked = pass.run_checked(data);
    if (!checked.ok()) return checked.error().at(contender.name);
    std::vector<double> rates;
    for (uint32_t round = 0; round < (job_.quick ? kQuickRounds : kRounds); ++round) {
      QLOAD_TRY(const PassSample sample,
                time_passes([&] { return pass.run(); }, job_.quick ? kQuickSeconds : kSeconds));
      rates.push_back(static_cast<double>(measured.set.decoded_bytes * sample.passes) /
                      sample.cpu_seconds);
    }
    measured.row = {.data = measured.data,
                    .contender = contender.name,
                    .used = is_used(contender),
                    .ratio = static_cast<double>(measured.set.decoded_bytes) /
                             static_cast<double>(measured.set.stored_bytes),
                    .rate = spread_of(std::move(rates))};
    measured.seconds_per_byte = 1 / measured.row.rate.median;
    measured_.push_back(std::move(measured));
    return Ok{};
  }

  const Measured* find(std::string_view data,
                       const std::function<bool(const Measured&)>& is) const {
    const auto found = std::ranges::find_if(
        measured_, [&](const Measured& one) { return one.data == data && is(one); });
    return found == measured_.end() ? nullptr : &*found;
  }

  /// 2, 4, 8 ... threads and the most, of what a load would use.
  Status measure_threads() {
    const Measured* one = find(kPlainData[0], is_lane);
    if (one == nullptr) return Ok{};
    const auto most = std::min<uint32_t>(job_.threads, static_cast<uint32_t>(processors_.size()));
    for (uint32_t threads = 2; threads < 2 * most; threads *= 2) {
      const uint32_t count = std::min(threads, most);
      if (job_.quick && count != most) continue;
      if (job_.on_step) job_.on_step(text("decode: ", count, " threads"));
      const auto passes = static_cast<uint64_t>(
          1 + (job_.quick ? kQuickSeconds : kSeconds) /
                  (one->seconds_per_byte * static_cast<double>(one->set.decoded_bytes)));
      std::vector<double> rates;
      for (uint32_t round = 0; round < (job_.quick ? kQuickRounds : kRounds); ++round) {
        QLOAD_TRY(const PassSample sample,
                  time_threads(one->set, std::span(processors_).first(count),
                               one->set.decoded_bytes, passes));
        rates.push_back(static_cast<double>(one->set.decoded_bytes * sample.passes) * count /
                        sample.cpu_seconds);
      }
      DecodeCalibration row = one->row;
      row.threads = count;
      row.rate = spread_of(std::move(rates));
      rates_.thread_scaling =
          std::clamp(row.rate.median / (count * one->row.rate.median), 0.01, 1.0);
      threaded_.push_back(std::move(row));
    }
    return Ok{};
  }

  static bool is_lane(const Measured& measured) {
    return measured.contender->codec == CodecId::kLaneHuffman && measured.row.used;
  }

  /// One thread's rate over the plain kinds together.
  double plain_rate(const std::function<bool(const Measured&)>& is) const {
    double seconds_per_byte = 0;
    for (const std::string_view data : kPlainData) {
      if (const Measured* one = find(data, is)) seconds_per_byte += one->seconds_per_byte;
    }
    return kPlainData.size() / seconds_per_byte;
  }

  TargetDevice device() const {
    TargetDevice device;
    device.store_rate = rates_.store;
    device.lane_huffman_rate = rates_.lane_huffman;
    device.zstd_rate = rates_.zstd;
    device.fse_rate = rates_.fse;
    if (rates_.planes > 0) device.planes_rate = rates_.planes;
    if (rates_.blocks > 0) device.blocks_rate = rates_.blocks;
    return device;
  }

  double modelled_rate(const Measured& measured) const {
    if (measured.set.plain) return rates_.store;
    double seconds = 0;
    for (const CodedSet::Chunk& chunk : measured.set.chunks) {
      seconds += decode_seconds(device(), chunk.form);
    }
    return static_cast<double>(measured.set.decoded_bytes) / seconds;
  }

  /// What the filtered kinds take beyond their streams, as a rate.
  double merge_rate(std::span<const std::string_view> names) const {
    double seconds_per_byte = 0;
    for (const std::string_view data : names) {
      const Measured* one = find(data, is_lane);
      if (one != nullptr) seconds_per_byte += one->seconds_per_byte - 1 / modelled_rate(*one);
    }
    const double mean = seconds_per_byte / static_cast<double>(names.size());
    return 1 / std::max(mean, 1 / kMergeRateMax);
  }

  void solve() {
    rates_.store = plain_rate([](const Measured& one) { return one.set.plain; });
    rates_.lane_huffman = plain_rate(is_lane);
    const auto by_codec = [this](CodecId codec) {
      return plain_rate([codec](const Measured& one) { return one.contender->codec == codec; });
    };
    rates_.zstd = by_codec(CodecId::kZstd);
    rates_.fse = by_codec(CodecId::kFse);
    rates_.planes = merge_rate(kPlanesData);
    rates_.blocks = merge_rate(kBlocksData);
  }

  const DecodeRatesJob& job_;
  const std::vector<CodecContender> all_;
  const std::vector<uint32_t> processors_;
  std::vector<Measured> measured_;
  std::vector<DecodeCalibration> threaded_;
  DecodeRates rates_;
};

}  // namespace

Result<DecodeRates> measure_decoding(const DecodeRatesJob& job) {
  return DecodeMeasurement(job).run();
}

}  // namespace qload::bench
