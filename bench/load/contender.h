// Contender: one way to bring a model's tensors into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/input/model_source.h"
#include "qload/options.h"
#include "qload/result.h"

namespace qload::bench {

/// The model in the forms the contenders read. Outlives them.
struct BenchModel {
  std::filesystem::path path;  ///< As given.
  ModelSource source;
  std::vector<std::filesystem::path> plain_files;       ///< In the order of source.files().
  std::vector<std::filesystem::path> compressed_files;  ///< The same, compressed whole.
  std::filesystem::path packed;                         ///< The container.
  uint64_t tensor_bytes = 0;
  uint64_t plain_bytes = 0;
  uint64_t compressed_bytes = 0;
  uint64_t packed_bytes = 0;
};

struct ContenderOptions {
  uint32_t threads = 1;       ///< Of every parallel contender, and qload's decode threads.
  bool huge_pages = true;     ///< Destinations of the plain and the paper's contenders.
  LoaderOptions loader = {};  ///< qload's.
};

/// load() is the timed region; everything else is not. One thread calls it.
class Contender {
 public:
  virtual ~Contender() = default;
  Contender() = default;
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

  /// Whose page cache is dropped (cold) or filled (warm) before a run.
  virtual std::vector<std::filesystem::path> files() const = 0;
  /// Makes what load() takes for granted. Nothing for those that load from nothing.
  virtual Status prepare() { return Ok{}; }
  /// Brings every tensor into memory, from nothing unless there is a prepare(): opening files,
  /// fresh memory, threads, all counted in. kUnsupported: this machine cannot do it, and the
  /// contender is left out.
  virtual Status load() = 0;
  /// The bytes of source tensor `tensor`, valid from load() to release().
  virtual std::span<const std::byte> tensor(uint32_t tensor) const = 0;
  /// Gives back the memory of the last prepare() and load().
  virtual void release() = 0;
  /// Of the last load(); null for contenders that keep none.
  virtual const LoadStatistics* statistics() const { return nullptr; }
};

/// What a contender reads: decides which forms of the model must be made.
enum class ContenderInput : uint8_t { kPlain, kCompressed, kPacked };

/// One entry of the list of contenders.
struct ContenderKind {
  std::string_view name;
  ContenderInput input;
  bool standard;  ///< Runs unless --contenders says otherwise.
  std::string_view description;
  std::unique_ptr<Contender> (*make)(const BenchModel& model, const ContenderOptions& options);
  bool warm_only = false;  ///< Measures memory, not storage: no load to compare a load with.
};

/// All contenders, in the order of the table.
std::span<const ContenderKind> all_contenders();

std::unique_ptr<Contender> make_read_1(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_read_n(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_mmap(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_mmap_n(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_mmap_willneed(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_mmap_populate(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_memcpy_warm(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_direct_uring(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_read_after(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_mmap_after(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_qload(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_qload_pread(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_qload_buffered(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_qload_pinned(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_qload_unpinned(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_qload_verify_none(const BenchModel&, const ContenderOptions&);
std::unique_ptr<Contender> make_qload_again(const BenchModel&, const ContenderOptions&);

}  // namespace qload::bench
