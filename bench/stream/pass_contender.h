// Contenders that pass over a model again and again, layer after layer, in little memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bench/stream/pass_plan.h"
#include "bench/stream/pass_run.h"
#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "qload/result.h"
#include "qload/stream.h"

namespace qload::bench {

struct PassSetting {
  std::filesystem::path model;
  std::filesystem::path packed;
  PassBudget budget = {};
  uint32_t threads = 0;      ///< Of decoding; 0: the library's choice.
  bool keep_packed = false;  ///< StreamOptions::keep_packed.
};

/// The model's forms, open. Outlives its contenders.
struct PassModel {
  PassSetting setting;
  Container container;
  ModelSource source;
  std::vector<uint32_t> sources;  ///< By tensor of the container: its number in `source`.
  std::vector<std::filesystem::path> plain_files;

  static Result<PassModel> open(const PassSetting& setting);
};

/// One thread calls it, in this order: open(), then next() and release() for each layer of each
/// pass, without end.
class PassContender {
 public:
  virtual ~PassContender() = default;
  PassContender() = default;
  PassContender(const PassContender&) = delete;
  PassContender& operator=(const PassContender&) = delete;

  /// Everything before the first pass; brings in what stays. kUnsupported or kBudgetTooSmall: this
  /// machine or budget does not do, and the contender is left out.
  virtual Status open() = 0;
  virtual size_t layer_count() const = 0;
  /// Waits for the next layer and lists its tensors, valid until release().
  virtual Result<std::span<const PassTensor>> next() = 0;
  virtual void release() = 0;
  /// Adds what the contender alone knows of the pass whose last layer was taken.
  virtual void describe_pass(PassSample& /*sample*/) {}
  virtual uint64_t resident_bytes() const { return 0; }
  virtual std::optional<StreamFacts> facts() const { return std::nullopt; }
};

struct PassContenderKind {
  std::string_view name;
  std::string_view description;
  std::unique_ptr<PassContender> (*make)(const PassModel& model);
};

/// In the order of the table: "qload" first.
std::span<const PassContenderKind> all_pass_contenders();
/// Null for a name that is none.
const PassContenderKind* find_pass_contender(std::string_view name);

std::unique_ptr<PassContender> make_qload_passes(const PassModel& model);
std::unique_ptr<PassContender> make_read_passes(const PassModel& model);
std::unique_ptr<PassContender> make_mmap_passes(const PassModel& model);
std::unique_ptr<PassContender> make_mmap_willneed_passes(const PassModel& model);

}  // namespace qload::bench
