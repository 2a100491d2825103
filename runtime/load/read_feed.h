// ReadFeed: the read side of one load. Which read comes next, and what its end means.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/io/direct_io.h"
#include "runtime/io/read_engine.h"
#include "runtime/load/load_session.h"
#include "runtime/memory/staging_area.h"

namespace qload {

/// Facts about the engine that ran, for statistics.
struct EngineFacts {
  IoBackend backend = IoBackend::kAuto;
  bool files_registered = false;
  bool buffers_registered = false;
  uint64_t short_reads = 0;      ///< Of the engine while the load was under way.
  uint32_t part_bytes = 0;       ///< Largest read at the end of the load.
  uint32_t in_flight_bytes = 0;  ///< Most bytes in flight at the end of the load.
  bool broke = false;            ///< The kernel stopped serving the engine during the load.
};

/// Loads that belong together and are served one after the other: the one of the lowest position
/// reads until all of its reads are submitted, then the next.
struct ReadSeries {
  const void* of = nullptr;  ///< Whose; null: the load stands alone.
  uint64_t position = 0;
};

/// Turns the reads of a plan into reads of the engine, each in one part or several that land side
/// by side, and hands what has arrived to the session. Everything but the setup and, once the
/// session is finished, add_statistics() belongs to the I/O thread.
class ReadFeed {
 public:
  struct Setup {
    LoadSession* session = nullptr;
    StagingArea* staging = nullptr;
    const DirectFile* direct_file = nullptr;  ///< Null: buffered reads.
    bool direct_required = false;
    ReadSeries series = {};
  };
  explicit ReadFeed(const Setup& setup) : setup_(setup) {}

  /// Allocates all that `depth` reads in flight need: memory that runs out later could not be
  /// waited for. False: the session has failed.
  bool begin(uint32_t depth);
  ReadFiles files() const;
  uint64_t device() const { return device_; }  ///< The file system's, as stat names it.

  enum class Step : uint8_t {
    kRead,     ///< `read` is to be submitted, and ended() told when it has.
    kNoRoom,   ///< The next read waits for staging memory.
    kNothing,  ///< None is left, or the load is stopping.
  };
  /// The next read of at most `part_bytes`, a multiple of every alignment. Tag and file slot are
  /// the caller's to fill; `flight` comes back with ended(). REQUIRES: fewer than `depth` in
  /// flight.
  Step next(uint32_t part_bytes, Read& read, uint32_t& flight);
  void ended(uint32_t flight, const Completion& completion);

  /// The load is stopping: what is not in flight gives its staging memory back, and its turn to get
  /// some. Any number of times.
  void abandon();

  const ReadSeries& series() const { return setup_.series; }
  /// Every read has been submitted.
  bool all_submitted() const;
  /// A read was begun and is not all submitted: it may hold staging memory.
  bool has_begun() const { return current_ != kNone || !again_.empty(); }
  /// Others may have the staging memory that this one was refused.
  void give_up_turn() const { setup_.staging->give_up(this); }

  /// Nothing is in flight, and nothing will be: the plan is read, or abandon() was called.
  bool drained(bool abandoned) const;

  /// How long the I/O thread waited for reads, and for staging memory with no read in flight.
  void add_waits(double read_seconds, double room_seconds) {
    read_wait_seconds_ += read_seconds;
    room_wait_seconds_ += room_seconds;
  }
  /// The error when no engine could be made is the session's. Before the session is closed.
  void set_facts(const EngineFacts& facts) { facts_ = facts; }
  const EngineFacts& facts() const { return facts_; }
  LoadSession& session() { return *setup_.session; }
  void add_statistics(LoadStatistics& statistics) const;

 private:
  static constexpr uint32_t kNone = 0xFFFF'FFFF;
  /// A read of the plan on its way.
  struct Flight {
    uint32_t read = 0;
    uint32_t region = StagingArea::kNoRegion;  ///< Of a staged flight that has started.
    uint32_t submitted_bytes = 0;
    uint32_t parts = 0;  ///< In flight.
    uint64_t bytes = 0;  ///< Arrived.
    int error_number = 0;
    uint32_t error_bytes = 0;
    bool direct = false;
    bool staged = false;  ///< Else in place.
  };

  const PlanRead& planned(const Flight& flight) const;
  Step start_flight();
  void finish(uint32_t number);
  bool retry(uint32_t number);
  void fail(const Flight& flight);

  const Setup setup_;
  std::vector<Flight> flights_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> again_;  // Flights to start over.
  uint32_t current_ = kNone;     // The flight whose parts are being submitted.
  uint32_t next_read_ = 0;
  uint32_t parts_ = 0;  // In flight.
  uint64_t device_ = 0;
  bool direct_ = false;
  bool direct_refused_ = false;
  EngineFacts facts_;
  double read_wait_seconds_ = 0;
  double room_wait_seconds_ = 0;
  uint64_t bytes_read_ = 0;
  uint64_t bytes_in_place_ = 0;
  uint64_t read_count_ = 0;
};

}  // namespace qload
