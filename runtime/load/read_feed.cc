#include "runtime/load/read_feed.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "format/base/file.h"
#include "format/base/format_text.h"

namespace qload {

bool ReadFeed::begin(uint32_t depth) {
  try {
    // One more than reads in flight: the next flight's first part may wait for a place.
    const uint32_t count = depth + 1;
    flights_.resize(count);
    free_.reserve(count);
    again_.reserve(count);
    for (uint32_t number = count; number-- > 0;) free_.push_back(number);
  } catch (const std::bad_alloc&) {
    setup_.session->fail_out_of_memory();
    return false;
  }
  direct_ = setup_.direct_file != nullptr;
  struct stat status = {};
  if (fstat(setup_.session->container().file.descriptor(), &status) == 0) device_ = status.st_dev;
  return true;
}

ReadFiles ReadFeed::files() const {
  ReadFiles files;
  files.buffered = setup_.session->container().file.descriptor();
  if (setup_.direct_file != nullptr) {
    files.direct = setup_.direct_file->descriptor();
    files.direct_alignment = setup_.direct_file->alignment();
  }
  return files;
}

const PlanRead& ReadFeed::planned(const Flight& flight) const {
  return setup_.session->plan().reads[flight.read];
}

bool ReadFeed::drained(bool abandoned) const {
  if (parts_ > 0) return false;
  return abandoned || all_submitted();
}

bool ReadFeed::all_submitted() const {
  return current_ == kNone && again_.empty() && next_read_ >= setup_.session->plan().reads.size();
}

// Makes current_ a flight to submit parts of.
ReadFeed::Step ReadFeed::start_flight() {
  const bool over = !again_.empty();
  if (!over && next_read_ >= setup_.session->plan().reads.size()) return Step::kNothing;
  if (!over && free_.empty()) return Step::kNothing;
  const uint32_t number = over ? again_.back() : free_.back();
  Flight& flight = flights_[number];
  if (!over) {
    flight = {.read = next_read_};
    flight.staged = planned(flight).in_place == nullptr;
  }
  if (flight.staged && flight.region == StagingArea::kNoRegion) {
    const auto region = setup_.staging->acquire(planned(flight).bytes, this);
    if (!region) return Step::kNoRoom;
    flight.region = *region;
  }
  if (over) {
    again_.pop_back();
  } else {
    free_.pop_back();
    ++next_read_;
  }
  flight.submitted_bytes = 0;
  flight.bytes = 0;
  flight.error_number = 0;
  flight.direct = direct_;
  current_ = number;
  return Step::kRead;
}

ReadFeed::Step ReadFeed::next(uint32_t part_bytes, Read& read, uint32_t& number) {
  if (setup_.session->stopping()) {
    abandon();
    return Step::kNothing;
  }
  if (current_ == kNone) {
    const Step step = start_flight();
    if (step != Step::kRead) return step;
  }
  number = current_;
  Flight& flight = flights_[number];
  const PlanRead& whole = planned(flight);
  const uint32_t begin = flight.submitted_bytes;
  std::byte* const data = flight.staged ? setup_.staging->data(flight.region) : whole.in_place;
  read.offset = whole.offset + begin;
  read.data = data + begin;
  read.bytes = std::min(part_bytes, whole.bytes - begin);
  // Only the last part reaches past what is needed: that is less than one alignment.
  read.bytes_required = std::min(read.bytes, whole.bytes_required - begin);
  read.direct = flight.direct;
  flight.submitted_bytes += read.bytes;
  ++flight.parts;
  ++parts_;
  if (flight.submitted_bytes == whole.bytes) current_ = kNone;
  return Step::kRead;
}

void ReadFeed::abandon() {
  setup_.staging->give_up(this);
  if (current_ != kNone && flights_[current_].parts == 0) again_.push_back(current_);
  current_ = kNone;
  for (const uint32_t number : again_) {
    const uint32_t region = flights_[number].region;
    if (region != StagingArea::kNoRegion) setup_.staging->release(region);
  }
  again_.clear();
}

void ReadFeed::ended(uint32_t number, const Completion& completion) {
  Flight& flight = flights_[number];
  --flight.parts;
  --parts_;
  if (completion.error_number != 0) {
    flight.error_number = completion.error_number;
    flight.error_bytes = completion.bytes;
    if (current_ == number) current_ = kNone;  // No use in asking for the rest.
  } else {
    flight.bytes += completion.bytes;
    ++read_count_;
    bytes_read_ += completion.bytes;
    if (!flight.staged) bytes_in_place_ += completion.bytes;
  }
  if (flight.parts == 0 && current_ != number) finish(number);
}

// The last part of a flight is back.
void ReadFeed::finish(uint32_t number) {
  const Flight flight = flights_[number];
  if (flight.error_number != 0) {
    if (retry(number)) return;
    if (!setup_.session->stopping()) fail(flight);
  }
  free_.push_back(number);
  if (flight.error_number != 0 || setup_.session->stopping()) {
    if (flight.staged) setup_.staging->release(flight.region);
    return;
  }
  setup_.session->arrived(flight.read, flight.region);
}

void ReadFeed::fail(const Flight& flight) {
  const PlanRead& read = planned(flight);
  try {
    std::string what = text(quote(setup_.session->container().file.name()), ": cannot read ",
                            read.bytes, " bytes at offset ", read.offset);
    setup_.session->fail(
        flight.error_number == ENODATA
            ? Error(ErrorCode::kCorrupt, text(what, ": the file ends after ", flight.error_bytes,
                                              " of them; it was truncated after it was opened"))
            : error_from_errno(std::move(what), flight.error_number));
  } catch (const std::bad_alloc&) {
    setup_.session->fail_out_of_memory();
  }
}

// Two refusals are no failures. O_DIRECT may pass open and be refused at the read (EINVAL): go on
// through the page cache. The kernel may not be able to read into foreign memory (EFAULT, memory
// mapped from a device): read that part into staging memory and copy.
bool ReadFeed::retry(uint32_t number) {
  if (setup_.session->stopping()) return false;
  Flight& flight = flights_[number];
  const bool refused = flight.error_number == EINVAL || flight.error_number == EOPNOTSUPP;
  if (refused && flight.direct && !setup_.direct_required) {
    direct_ = false;
    direct_refused_ = true;
  } else if (flight.error_number == EFAULT && !flight.staged) {
    flight.staged = true;
  } else {
    return false;
  }
  again_.push_back(number);
  return true;
}

void ReadFeed::add_statistics(LoadStatistics& statistics) const {
  statistics.bytes_read = bytes_read_;
  statistics.bytes_read_in_place = bytes_in_place_;
  statistics.read_count = read_count_;
  statistics.read_wait_seconds = read_wait_seconds_;
  statistics.staging_wait_seconds = room_wait_seconds_;
  statistics.direct = direct_;
  statistics.direct_refused |= direct_refused_;
  statistics.engine = facts_.backend;
  statistics.registered_files = facts_.files_registered;
  statistics.registered_buffers = facts_.buffers_registered;
  statistics.short_read_count = facts_.short_reads;
  statistics.read_bytes = facts_.part_bytes;
  statistics.in_flight_bytes = facts_.in_flight_bytes;
}

}  // namespace qload
