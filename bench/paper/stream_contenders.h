// Loading a model layer after layer into memory that is used again: models beyond memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "bench/load/contender.h"
#include "bench/load/fresh_memory.h"
#include "bench/paper/stream_plan.h"

namespace qload::bench {

/// A Contender that never holds the whole model: it checks each piece itself, within load(), while
/// the piece is in memory (a few blocks of 4 KiB: no measurable time). tensor() is always empty.
class StreamContender : public Contender {
 public:
  StreamContender(const BenchModel& model, const StreamPlan& plan, const ContenderOptions& options)
      : model_(model), plan_(plan), options_(options) {}

  std::vector<std::filesystem::path> files() const override { return model_.plain_files; }
  std::span<const std::byte> tensor(uint32_t) const override { return {}; }
  void release() override { arenas_.clear(); }

  /// Whether load() compares every byte with the source from now on; such a load is not timed.
  void compare_everything(bool compare) { compare_everything_ = compare; }

 protected:
  /// Fills an arena with a piece.
  using LoadPiece =
      std::function<Status(uint32_t worker, const StreamPiece&, std::span<std::byte>)>;
  /// So many workers, each with an arena of its own, take the pieces in turn: with two, one piece
  /// is being loaded while the other's last bytes arrive and are checked.
  Status load_pieces(uint32_t workers, uint64_t StreamTensor::*place, const LoadPiece& load_piece);
  /// Checks a piece as load() has been told to.
  Status check_piece(const StreamPiece& piece, const StreamBytes& bytes) const;

  const BenchModel& model_;
  const StreamPlan& plan_;
  const ContenderOptions options_;

 private:
  std::vector<FreshMemory> arenas_;
  bool compare_everything_ = false;
};

/// One way to stream.
struct StreamKind {
  std::string_view row;  ///< Its row in the table.
  bool plain;
  std::string_view description;
  std::unique_ptr<StreamContender> (*make)(const BenchModel&, const StreamPlan&,
                                           const ContenderOptions&);
};
std::span<const StreamKind> all_stream_kinds();

}  // namespace qload::bench
